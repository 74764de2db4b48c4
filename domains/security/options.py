"""Options of the security domain, section ``security`` of the settings: the vocabulary of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from framework import DomainOptions

Direction = Literal["add", "remove", "changes"]

GRANTS: Mapping[str, Direction] = {
    "updatePermissions": "changes",
    "updateSharePermissions": "changes",
    "grantPermission": "add",
    "revokePermission": "remove",
    "addPrincipalToGroup": "add",
    "addPrincipalsToGroup": "add",
    "removePrincipalFromGroup": "remove",
    "setAdmin": "add",
    "removeAdmin": "remove",
    "putAcl": "add",
    "deleteAcl": "remove",
    "AttachUserPolicy": "add",
    "DetachUserPolicy": "remove",
    "AttachRolePolicy": "add",
    "DetachRolePolicy": "remove",
    "PutUserPolicy": "add",
    "DeleteUserPolicy": "remove",
    "PutRolePolicy": "add",
    "DeleteRolePolicy": "remove",
    "AddUserToGroup": "add",
    "RemoveUserFromGroup": "remove",
}


class SecurityOptions(DomainOptions):
    """How the audit log names things; the defaults speak Databricks, and some AWS IAM and Linux.

    Args:
        grants: What an action does to rights: ``add``, ``remove``, or ``changes`` where the parameter ``changes_key``
            holds a list of ``{"principal", "add", "remove"}`` as JSON.
        changes_key: Parameter of that list.
        principal_keys: Parameters that name who gets or loses a right; the first that is set counts.
        object_keys: Parameters that name the object, in a grant and in its use.
        privilege_keys: Parameters that name the privilege, where ``changes`` does not.
        admin_actions: Changes of the platform that are no grants.
        export_actions: Actions that carry data out.
        powerful: Privileges, or parts of their names, that let their holder do nearly everything.
        working_hours: First and last local hour of a working day, the last one excluded.
    """

    section = "security"
    grants: Mapping[str, Direction] = Field(default=GRANTS)
    changes_key: str = "changes"
    principal_keys: tuple[str, ...] = ("targetUserName", "principal", "targetUserId", "userName", "roleName")
    object_keys: tuple[str, ...] = (
        "securable_full_name", "full_name_arg", "table_full_name", "targetGroupName", "targetGroupId", "scope",
        "securable", "share", "policyArn", "policyName", "groupName",
    )  # fmt: skip
    privilege_keys: tuple[str, ...] = ("privilege", "permission", "permissions", "policyArn")
    admin_actions: tuple[str, ...] = (
        "workspaceConfEdit", "createUser", "add", "delete", "deleteUser", "updateUser", "createGroup", "removeGroup",
        "changeClusterAcl", "changeJobAcl", "changeDbTokenAcl", "updateMetastore", "updateCatalog",
        "createStorageCredential", "updateStorageCredential", "CreateUser", "DeleteUser", "CreateRole", "DeleteRole",
        "CreatePolicy", "CreateLoginProfile", "CreateAccessKey", "UpdateAssumeRolePolicy", "create_user", "delete_user",
        "change_password",
    )  # fmt: skip
    export_actions: tuple[str, ...] = (
        "downloadQueryResult", "downloadPreviewResults", "downloadLargeResults", "workspaceExport", "getQueryDownload",
        "downloadEventLogs", "GetObject", "ModifySnapshotAttribute", "CreateSnapshot",
    )  # fmt: skip
    powerful: tuple[str, ...] = ("ALL PRIVILEGES", "ALL_PRIVILEGES", "MANAGE", "OWN", "ADMIN")
    working_hours: tuple[int, int] = (7, 20)
