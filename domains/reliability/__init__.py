"""Reliability: will a job fail, how long will it take, will it keep its deadline, is a retry worth it."""
