"""Options of gold from system tables, section ``gold`` of the settings."""

from __future__ import annotations

from pydantic import Field

from framework import DomainOptions

RIGHTS = (
    "updatePermissions", "updateSharePermissions", "grantPermission", "revokePermission", "denyPermission",
    "changeSecurableOwner", "changePermissions", "addPrincipalToGroup", "addPrincipalsToGroup",
    "removePrincipalFromGroup", "removePrincipalsFromGroup", "setAdmin", "removeAdmin", "setAccountAdmin",
    "removeAccountAdmin", "accounts.add", "accounts.delete", "createUser", "deleteUser", "updateUser", "createGroup",
    "removeGroup",
    "putAcl", "deleteAcl", "changeClusterAcl", "changeClusterPolicyAcl", "changeInstancePoolAcl", "changeJobAcl",
    "resetJobAcl", "changeWorkspaceAcl", "changeDbTokenAcl", "changePasswordAcl", "changeServicePrincipalAcls",
    "changeDatabricksSqlAcl", "changeDatabricksWorkspaceAcl", "changeIamRoleAcl", "changeEndpointAcls",
    "workspaceConfEdit", "setSetting", "deleteSetting", "createIpAccessList", "updateIpAccessList",
    "deleteIpAccessList",
)  # fmt: skip
"""Who may do what, and who belongs to whom."""

SECRETS = (
    "getSecret", "putSecret", "deleteSecret", "createScope", "deleteScope", "generateDbToken", "revokeDbToken",
    "changePassword", "resetPassword", "createStorageCredential", "updateStorageCredential", "deleteStorageCredential",
    "createServicePrincipalSecret", "deleteServicePrincipalSecret", "rotateRecipientToken", "createRecipient",
)  # fmt: skip
"""What opens doors. Logins by token, and the credentials that each read of a table makes, are daily noise: not here."""

DATA_AT_LARGE = (
    "downloadQueryResult", "downloadPreviewResults", "downloadLargeResults", "getQueryDownload", "workspaceExport",
    "createShare", "updateShare",
)  # fmt: skip
"""What carries data out."""


class SystemOptions(DomainOptions):
    """What the system tables leave open.

    Args:
        currency: Currency of the list prices that costs are made of.
        sensitive_actions: Audited actions that count as sensitive: rights, secrets, data at large. A name that other
            services use for something else is written ``service.action``.
    """

    section = "gold"
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    sensitive_actions: tuple[str, ...] = (*RIGHTS, *SECRETS, *DATA_AT_LARGE)
