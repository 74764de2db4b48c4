from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
import structlog

from framework.base import logging
from framework.base.errors import ConfigError, DeliveryError
from framework.core.config import load_settings
from framework.core.plugins import Offer
from framework.core.results import Ledger
from framework.declare.model import Task
from framework.monitoring.alerts import verdicts
from framework.monitoring.alerts.alerts import raise_alerts
from framework.monitoring.alerts.deliveries import MOST_ATTEMPTS, send_alerts
from framework.monitoring.alerts.messages import Message, masked, plain, slack, teams
from framework.monitoring.alerts.sinks import FileWriter, sinks_of
from framework.monitoring.alerts.webhook import LONGEST_PAUSE, WebhookSender
from framework.stores.databricks import sql
from framework.tables.declared import DELIVERIES
from tests.alerting import (
    ACCOUNTS,
    CONTRACTS,
    JOBS,
    NOW,
    Receiver,
    account,
    alerts_in,
    day,
    job,
    predict,
    runtime_in,
)

SECRET = "T0K3N-of-the-hook"  # noqa: S105 - planted, and looked for
EMAIL = "anna.berg+ops@corp.example.org"


@pytest.fixture
def logged(capsys):
    logging.configure(console=False)
    yield lambda: "".join(capsys.readouterr())
    structlog.reset_defaults()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def hook(url, **more):
    return {"team": {"kind": "webhook", "url": url, "tries": 1, "timeout": 0.3} | more}


def raised(runtime, *chances, on=0):
    predict(runtime, JOBS, [job(n, on=on, chance=chance) for n, chance in enumerate(chances)])
    raise_alerts(runtime, JOBS, day(on))


def deliveries(runtime):
    return sorted(DELIVERIES.read(runtime).to_pylist(), key=lambda row: (row["sink"], row["alert_id"]))


def message(**changes):
    row = {
        "alert_id": "0123456789ab", "kind": "prediction", "state": "open", "severity": "critical", "domain": "security",
        "use_case": "security_threat", "model_name": ACCOUNTS, "model_version": 3, "prediction": 0.99,
        "entity": json.dumps({"user_id": EMAIL}), "reason": "score 0.99", "action": "triage", "first_day": day(0),
        "opened_on": day(0), "last_day": day(1),
    }  # fmt: skip
    return Message.of(row | changes)


def sender(receiver, **more):
    pauses = []
    made = WebhookSender("team", urlsplit(receiver.url(f"/{SECRET}")), pause=pauses.append, **more)
    return made, pauses


# ---------------------------------------------------------------- one message


def test_a_message_is_posted_once():
    with Receiver(200) as receiver:
        sink, pauses = sender(receiver)
        sink.send([message()])
    assert receiver.paths == [f"/{SECRET}"]
    assert receiver.bodies[0]["alerts"][0]["alert_id"] == "0123456789ab"
    assert not pauses


@pytest.mark.parametrize("first", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again_after_growing_pauses(first):
    with Receiver(first, first, 202) as receiver:
        sink, pauses = sender(receiver)
        sink.send([message()])
    assert len(receiver.bodies) == 3
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(("header", "pause"), [("7", 7.0), ("86400", LONGEST_PAUSE), ("0", 1.0), ("tomorrow", 1.0)])
def test_what_the_server_asks_to_wait_is_waited_within_bounds(header, pause):
    with Receiver(503, 200, headers={"Retry-After": header}) as receiver:
        sink, pauses = sender(receiver)
        sink.send([message()])
    assert pauses == [pause]


@pytest.mark.parametrize("answer", [400, 401, 404, 302, 307])
def test_a_refusal_or_a_redirect_is_not_repeated(answer):
    with Receiver(answer, headers={"Location": "/elsewhere"}) as receiver:
        sink, pauses = sender(receiver)
        with pytest.raises(DeliveryError, match=f"it answered {answer} "):
            sink.send([message()])
    assert receiver.paths == [f"/{SECRET}"]
    assert not pauses


def test_what_may_have_arrived_is_not_posted_again():
    with Receiver(None) as receiver:
        sink, pauses = sender(receiver, timeout=0.2)
        with pytest.raises(DeliveryError, match=r"no answer within 0\.2 seconds"):
            sink.send([message()])
        assert len(receiver.bodies) == 1
    assert not pauses


def test_no_connection_is_tried_again_and_then_given_up():
    pauses = []
    sink = WebhookSender("team", urlsplit(f"http://127.0.0.1:{free_port()}/{SECRET}"), tries=3, pause=pauses.append)
    with pytest.raises(DeliveryError) as error:
        sink.send([message()])
    assert pauses == [1.0, 2.0]
    assert "no connection (ConnectionRefusedError) (attempt 3 of 3) (in alert sink team)" in str(error.value)
    assert SECRET not in f"{error.value!r} {error.value.__cause__!r} {sink!r}"


def test_a_proxy_of_the_environment_does_not_see_this_machines_addresses(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with Receiver(200) as receiver:
        sender(receiver)[0].send([message()])
    assert len(receiver.bodies) == 1


def test_slack_gets_plain_text_blocks():
    body = slack([message(), message(severity="warning", kind="drift", entity="", reason="<!channel> & *more*")])
    assert body["text"] == "Health monitor: 1 critical, 1 warning"
    assert [block["type"] for block in body["blocks"]] == ["header", "divider", "section", "divider", "section"]
    texts = [block["text"] for block in body["blocks"] if "text" in block]
    assert {text["type"] for text in texts} == {"plain_text"}
    assert texts[1]["text"] == (
        f"critical: {ACCOUNTS} (prediction)\n"
        '{"user_id": "a***@corp.example.org"}\n'
        "score 0.99 (since 2025-03-03, open)\nDo: triage\nAlert 0123456789ab"
    )
    assert texts[2]["text"].splitlines()[:2] == [
        f"warning: {ACCOUNTS} (drift)",
        "<!channel> & *more* (since 2025-03-03, open)",
    ]


@pytest.mark.parametrize(
    ("opened", "newest", "description"),
    [
        (0, 0, "(on 2025-03-03, open)"),
        (9, 9, "(again on 2025-03-12, first on 2025-03-03, open)"),
        (9, 10, "(again since 2025-03-12, first on 2025-03-03, open)"),
        (None, 1, "(since 2025-03-03, open)"),
    ],
)
def test_a_message_says_since_when(opened, newest, description):
    opened_on = None if opened is None else day(opened)
    assert description in message(opened_on=opened_on, last_day=day(newest)).text


def test_teams_gets_an_adaptive_card_without_markup():
    body = teams([message()])
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    lines = [run["text"] for block in card["body"] for run in block["inlines"]]
    assert lines[:3] == [
        "Health monitor: 1 critical",
        f"critical: {ACCOUNTS} (prediction)",
        '{"user_id": "a***@corp.example.org"}',
    ]


@pytest.mark.parametrize("shape", [plain, slack, teams])
def test_a_message_of_ten_long_alerts_fits_what_receivers_take(shape):
    long = message(reason="r" * 5_000, action="a" * 5_000, entity="e" * 5_000)
    assert len(json.dumps(slack([long] * 10)["blocks"])) < 28_000
    assert len(json.dumps(teams([long] * 10))) < 28_000
    assert all(len(block["text"]["text"]) < 3_000 for block in slack([long])["blocks"] if "text" in block)
    assert json.loads(json.dumps(shape([long])))


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (EMAIL, "a***@corp.example.org"),
        ("x@example.org", "***@example.org"),
        (f'{{"user_id": "{EMAIL}", "w": "1"}}', '{"user_id": "a***@corp.example.org", "w": "1"}'),
        (f"for {EMAIL}, and mailto:bob@b.example", "for a***@corp.example.org, and mailto:b***@b.example"),
        ("jürgen@münchen.example", "j***@münchen.example"),
        ("root@localhost", "r***@localhost"),
        ("user=anna%40example.org", "user=a***%40example.org"),
        ("nothing at all: a @ b", "nothing at all: a @ b"),
        ("", ""),
    ],
)
def test_mail_addresses_lose_their_name(text, description):
    assert masked(text) == description


# ---------------------------------------------------------------- the queue


def test_a_dead_endpoint_leaves_the_alert_queued_and_the_next_run_sends_it_once(tmp_path, logged):
    port = free_port()
    runtime = runtime_in(tmp_path, alert_sinks=hook(f"http://127.0.0.1:{port}/hook"))
    raised(runtime, 0.9, 0.5)
    (result,) = send_alerts(runtime)
    assert (result.unit, result.status, result.rows) == ("alerts:team", "skipped", 0)
    assert result.reason.startswith("2 alerts stay queued: no connection")
    assert [(row["state"], row["attempts"]) for row in deliveries(runtime)] == [("queued", 1)] * 2
    with Receiver(200, port=port) as receiver:
        raised(runtime, 0.1, 0.1, 0.9, on=1)  # meanwhile the first two went away, and another came
        (result,) = send_alerts(runtime)
        assert (result.status, result.rows, result.reason) == ("done", 3, "")
        (result,) = send_alerts(runtime)
        assert (result.status, result.rows) == ("done", 0)
    sent = [alert for body in receiver.bodies for alert in body["alerts"]]
    assert sorted(alert["alert_id"] for alert in sent) == sorted(row["alert_id"] for row in alerts_in(runtime))
    assert [(row["state"], row["last_error"], row["sent_at"]) for row in deliveries(runtime)] == [("sent", "", NOW)] * 3
    assert '"event": "sink_failed"' in logged()


def test_after_a_failure_the_sink_is_left_alone_for_the_run(tmp_path):
    with Receiver(200, 500) as receiver:
        runtime = runtime_in(tmp_path, alert_sinks=hook(receiver.url()), alerts_per_day=100)
        raised(runtime, *[0.9] * 35)
        (result,) = send_alerts(runtime)
    assert len(receiver.bodies) == 2
    assert (result.rows, result.reason.partition(":")[0]) == (10, "25 alerts stay queued")
    assert sorted(row["state"] for row in deliveries(runtime)) == ["queued"] * 25 + ["sent"] * 10


def test_a_message_that_is_always_refused_does_not_hold_up_later_ones_and_is_given_up(tmp_path):
    port = free_port()
    runtime = runtime_in(tmp_path, alert_sinks=hook(f"http://127.0.0.1:{port}/hook"))
    raised(runtime, 0.5)
    for _ in range(MOST_ATTEMPTS):
        send_alerts(runtime)
    (row,) = deliveries(runtime)
    assert (row["state"], row["attempts"]) == ("failed", MOST_ATTEMPTS)
    with Receiver(200, port=port) as receiver:
        raised(runtime, 0.5, 0.9, on=1)
        send_alerts(runtime)
    assert [alert["severity"] for body in receiver.bodies for alert in body["alerts"]] == ["critical"]


def test_the_worst_come_first_and_the_least_tried_before(tmp_path):
    with Receiver(500, 200) as receiver:
        runtime = runtime_in(tmp_path, alert_sinks=hook(receiver.url()))
        raised(runtime, 0.5, 0.9)
        send_alerts(runtime)
        raised(runtime, 0.5, 0.9, 0.5, on=1)
        send_alerts(runtime)
    first, second = ([alert["prediction"] for alert in body["alerts"]] for body in receiver.bodies)
    assert first == [0.9, 0.5]
    assert json.loads(receiver.bodies[1]["alerts"][0]["entity"])["job_id"] == "2"
    assert len(second) == 3


def test_a_new_sink_starts_with_the_newest_day(tmp_path):
    runtime = runtime_in(tmp_path)
    raised(runtime, 0.9, 0.5)
    raised(runtime, 0.9, 0.1, 0.9, on=1)
    later = runtime_in(tmp_path, alert_sinks={"disk": {"kind": "file"}})
    assert [result.rows for result in send_alerts(later)] == [1]
    raised(later, 0.9, 0.1, 0.9, 0.9, on=2)
    assert [result.rows for result in send_alerts(later)] == [1]
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert [json.loads(line["entity"])["job_id"] for line in lines] == ["2", "3"]
    assert sorted(row["state"] for row in deliveries(later)) == ["passed over"] + ["sent"] * 2


def test_sinks_do_not_depend_on_each_other(tmp_path, monkeypatch):
    monkeypatch.delenv("THE_HOOK", raising=False)
    sinks = hook("env:THE_HOOK") | {"disk": {"kind": "file", "path": str(tmp_path / "there" / "a.jsonl")}}
    runtime = runtime_in(tmp_path, alert_sinks=sinks)
    raised(runtime, 0.9)
    unset, disk = send_alerts(runtime)
    assert unset.status == "failed"
    assert "environment variable THE_HOOK is not set (in alert_sinks.team.url)" in unset.reason
    assert (disk.status, disk.rows) == ("done", 1)
    with Receiver(200) as receiver:
        monkeypatch.setenv("THE_HOOK", receiver.url())
        assert [result.rows for result in send_alerts(runtime)] == [1, 0]
    assert len(receiver.bodies) == 1


class Strange:
    name = "pager"

    def __init__(self):
        self.got, self.broken = [], True

    def send(self, alerts):
        if self.broken:
            raise RuntimeError(f"cannot reach https://pager.example/{SECRET}")
        self.got += alerts


def test_a_plugins_sink_gets_masked_messages_and_its_errors_are_not_quoted(tmp_path, logged):
    import dataclasses

    sink = Strange()
    runtime = runtime_in(tmp_path, contract=CONTRACTS[Task.ANOMALY])
    plugins = dataclasses.replace(runtime.plugins, sinks={"pager": Offer("strange", sink)})
    runtime = dataclasses.replace(runtime, plugins=plugins)
    predict(runtime, ACCOUNTS, [account(EMAIL, on=0, score=0.99)])
    raise_alerts(runtime, ACCOUNTS, day(0))
    (result,) = send_alerts(runtime)
    assert result.reason == "1 alerts stay queued: RuntimeError"
    assert SECRET not in logged()
    sink.broken = False
    send_alerts(runtime)
    assert [one.entity for one in sink.got] == ['{"user_id": "a***@corp.example.org"}']
    clash = dataclasses.replace(runtime_in(tmp_path, alert_sinks={"pager": {"kind": "file"}}), plugins=plugins)
    with pytest.raises(ConfigError, match="'strange' offers a sink 'pager' already"):
        send_alerts(clash)


def test_without_sinks_nothing_is_queued(tmp_path):
    runtime = runtime_in(tmp_path)
    raised(runtime, 0.9)
    assert send_alerts(runtime) == []
    assert not runtime.tables.exists(runtime.feature_table("alert_deliveries"))


@pytest.mark.parametrize("answer", [200, 404, 500, None, "nobody"])
def test_a_planted_secret_and_a_planted_mail_address_appear_nowhere(tmp_path, monkeypatch, logged, answer, capsys):
    with Receiver(None if answer == "nobody" else answer) as receiver:
        port = free_port() if answer == "nobody" else receiver.port
        monkeypatch.setenv("THE_HOOK", f"http://127.0.0.1:{port}/{SECRET}?sig={SECRET}")
        sinks = {
            f"by_{shape}": {"kind": "webhook", "url": "env:THE_HOOK", "shape": shape, "tries": 1, "timeout": 0.2}
            for shape in ("plain", "slack", "teams")
        }
        runtime = runtime_in(tmp_path, contract=CONTRACTS[Task.ANOMALY], alert_sinks=sinks | {"disk": {"kind": "file"}})
        predict(runtime, ACCOUNTS, [account(EMAIL, on=0, score=0.99)])
        raise_alerts(runtime, ACCOUNTS, day(0))
        results = send_alerts(runtime)
    ledger = Ledger(runtime.tables, "main.health.ledger", run_id="r", as_of=day(0), inputs=runtime.settings.inputs())
    for result in results:
        ledger.record(result, NOW)
    row = alerts_in(runtime)[0]
    verdicts.close(runtime, row["alert_id"], "real")
    seen = {
        "log": logged(),
        "bodies": json.dumps(receiver.bodies, ensure_ascii=False),
        "file": (tmp_path / "alerts.jsonl").read_text(encoding="utf-8"),
        "results": repr(results),
        "settings": repr(runtime.settings),
        "ledger": repr(runtime.tables.read("main.health.ledger").to_pylist()),
        "deliveries": repr(deliveries(runtime)),
    }
    assert EMAIL in row["entity"], "the table is where a person finds whom it is about"
    for place, text in seen.items():
        assert SECRET not in text, place
        assert EMAIL not in text, place
        assert "anna.berg" not in text, place
    assert row["alert_id"] in seen["file"]
    assert bool(receiver.bodies) == (answer != "nobody")


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "url",
    [
        f"https://hooks.example.com/services/{SECRET}",
        f"http://hooks.example.com/{SECRET}",
        f"http://user:{SECRET}@127.0.0.1/hook",
        f"http://127.0.0.1/hook?sig={SECRET}",
        f"http://127.0.0.1/hook#{SECRET}",
        f"http://127.0.0.1.example.com/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"http://127.0.0.1:port/{SECRET}",
        f"http://[{SECRET}/hook",
        f"http://127.0.0.1 .example/{SECRET}",
        f"env:{SECRET}",
        f"env:HEALTH_MONITOR_{SECRET.replace('-', '_')}",
        f"secret:{SECRET}",
        f"secret:a/b/{SECRET}",
        SECRET,
        "",
    ],
)
def test_an_address_that_may_hold_a_token_is_refused_and_not_repeated(tmp_path, url):
    import traceback

    file = tmp_path / "settings.toml"
    file.write_text(f'[alert_sinks.team]\nkind = "webhook"\nurl = {json.dumps(url)}\n', encoding="utf-8")
    for given in ({"alert_sinks": hook(url)}, None):
        with pytest.raises(ConfigError, match=r"option 'alert_sinks\.team\.webhook\.url' cannot be used") as error:
            load_settings(given or {}, None if given else file)
        said = "".join(traceback.format_exception(error.value))
        assert SECRET not in said.replace(json.dumps(hook(url)), "")
        assert SECRET.replace("-", "_") not in said


@pytest.mark.parametrize(
    "url", ["env:THE_HOOK", "secret:scope/key", "http://127.0.0.1:8080/hook", "http://localhost/", "http://[::1]:1/x"]
)
def test_references_and_addresses_of_this_machine_are_settings(tmp_path, url):
    file = tmp_path / "settings.toml"
    file.write_text(f'[alert_sinks.team]\nkind = "webhook"\nshape = "slack"\nurl = "{url}"\n', encoding="utf-8")
    found = load_settings({}, file)
    assert found.alert_sinks["team"].url == url
    assert "alert_sinks" not in found.inputs()


@pytest.mark.parametrize(
    ("options", "description"),
    [
        ({"kind": "mail"}, "alert_sinks.team"),
        ({"url": "env:X"}, "alert_sinks.team"),
        ({"kind": "webhook"}, "alert_sinks.team.webhook.url"),
        ({"kind": "webhook", "url": "env:X", "shape": "irc"}, "alert_sinks.team.webhook.shape"),
        ({"kind": "webhook", "url": "env:X", "token": SECRET}, "alert_sinks.team.webhook.token"),
        ({"kind": "webhook", "url": "env:X", "timeout": 0}, "alert_sinks.team.webhook.timeout"),
        ({"kind": "file", "url": "env:X"}, "alert_sinks.team.file.url"),
    ],
)
def test_mistakes_in_a_sink_name_the_option(options, description):
    with pytest.raises(ConfigError) as error:
        load_settings({"alert_sinks": {"team": options}})
    assert f"option '{description}' cannot be used" in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "value", ["", f"http://hooks.example.com/{SECRET}", SECRET, f"https://user:{SECRET}@hooks.example.com/x"]
)
def test_what_a_reference_leads_to_must_be_an_https_address(tmp_path, monkeypatch, value):
    monkeypatch.setenv("THE_HOOK", value)
    runtime = runtime_in(tmp_path, alert_sinks=hook("env:THE_HOOK"))
    raised(runtime, 0.9)
    (result,) = send_alerts(runtime)
    assert result.status == "failed"
    assert SECRET not in result.reason
    assert [row["state"] for row in deliveries(runtime)] == ["queued"]


def test_a_secret_needs_a_workspace(tmp_path, monkeypatch):
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    runtime = runtime_in(tmp_path, alert_sinks=hook("secret:alerts/team"))
    raised(runtime, 0.9)
    (result,) = send_alerts(runtime)
    assert result.status == "failed"
    assert "secret alerts/team cannot be read (" in result.reason


def test_a_file_sink_lies_below_home_unless_it_says_otherwise(tmp_path):
    runtime = runtime_in(tmp_path / "home", alert_sinks={"disk": {"kind": "file", "path": "sub/a.jsonl"}})
    sink = sinks_of(runtime)["disk"]()
    assert isinstance(sink, FileWriter)
    sink.send([message(), message()])
    assert len((tmp_path / "home" / "sub" / "a.jsonl").read_text().splitlines()) == 2


# ---------------------------------------------------------------- the store


def test_rows_are_deleted_by_the_words_of_a_column(tmp_path):
    runtime = runtime_in(tmp_path)
    rows = [
        {"alert_id": name, "sink": "s", "state": "sent", "attempts": 1, "last_error": ""} for name in ("a", "it's", "c")
    ]
    DELIVERIES.merge(runtime, rows)
    DELIVERIES.delete(runtime, [])
    DELIVERIES.delete(runtime, ["it's", "nothing"])
    assert [row["alert_id"] for row in deliveries(runtime)] == ["a", "c"]
    assert sql.delete("a.b.c", "k", ["x", "it's"]) == "DELETE FROM `a`.`b`.`c` WHERE `k` IN ('x', 'it\\'s')"
