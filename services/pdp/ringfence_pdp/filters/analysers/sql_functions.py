"""Functions and tables of databases that no question about data needs.

They wait, read files, run programs, or give away who may log in.
Names are lower case, without schema.
"""

import re
from collections.abc import Mapping
from typing import Final

from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement
from ringfence_pdp.filters.words import word_set

WAITS: Final = Judgement(
    "sql.waiting-function", "injection", HIGH, "the statement waits, which is how answers are read out blindly"
)
RUNS: Final = Judgement("sql.runs-programs", "privilege", HIGH, "the database is made to run a program of the machine")
FILES: Final = Judgement(
    "sql.reads-files", "exfiltration", HIGH, "the database is made to read or write files of the machine"
)
REACHES: Final = Judgement("sql.reaches-out", "exfiltration", HIGH, "the database is made to speak to another machine")
ERRORS: Final = Judgement("sql.error-based", "injection", HIGH, "data is read out through an error message")
COMMANDS: Final = Judgement("sql.server-function", "privilege", MEDIUM, "the function steers the server and not data")
ASKS: Final = Judgement(
    "sql.asks-who-it-is", "credential", LOW, "the statement asks which server and which user this is"
)

ALL: Final = (WAITS, RUNS, FILES, REACHES, ERRORS, COMMANDS, ASKS)

_TABLES: Final[Mapping[Judgement, str]] = {
    WAITS: "pg_sleep pg_sleep_for pg_sleep_until sleep benchmark waitfor randomblob dbms_pipe.receive_message"
    " dbms_lock.sleep",
    RUNS: "xp_cmdshell sp_oacreate sp_oamethod sys_exec sys_eval load_extension sp_execute_external_script"
    " lib_mysqludf_sys_info dbms_scheduler.create_job dbms_java.runjava shell system xp_startmail"
    " xp_terminate_process sp_start_job",
    FILES: "lo_import lo_export pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file pg_ls_logdir pg_ls_waldir"
    " load_file readfile writefile xp_dirtree xp_fileexist xp_subdirs xp_regread xp_regwrite"
    " xp_availablemedia pg_file_write"
    " utl_file.fopen bfilename read_csv_auto read_text read_blob file_read",
    REACHES: "dblink dblink_connect dblink_exec dblink_send_query utl_http.request utl_inaddr.get_host_address utl_smtp"
    " utl_tcp.open_connection httpuritype dbms_ldap.init openrowset opendatasource openquery xp_sendmail sp_send_dbmail"
    " http_get http_post urlcluster remote url",
    ERRORS: "extractvalue updatexml xmltype ctxsys.drithsx.sn gtid_subset dbms_utility.sqlid_to_sqlhash",
    COMMANDS: "pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile set_config pg_switch_wal"
    " pg_logical_emit_message sp_configure sp_addlogin sp_addsrvrolemember sp_addrolemember sp_password sp_adduser"
    " sp_executesql sp_oadestroy pg_create_restore_point query_to_xml database_to_xml",
    ASKS: "version user current_user session_user system_user database schema current_database host_name suser_sname"
    " user_name db_name sqlite_version banner pg_current_logfile inet_server_addr",
}
_BY_NAME: Final = {name: judgement for judgement, names in _TABLES.items() for name in names.split()}
_ONLY_QUALIFIED: Final = word_set("sleep benchmark shell system url remote user database schema version")
"""Words that other things have as well: in a value they are judged with what stands around them."""

SPECIFIC: Final = frozenset(_BY_NAME) - _ONLY_QUALIFIED - word_set(_TABLES[ASKS])
"""Names that mean this and nothing else."""

_SECRET_TABLES: Final = re.compile(
    r"^(?:pg_shadow|pg_authid|pg_auth_members|pg_user_mapping|dba_users|user\$|syslogins|sysxlogins|sql_logins"
    r"|sysusers|server_principals|default_pwd\$|pg_hba_file_rules)$"
)
_KEYS_TABLES: Final = re.compile(
    r"^(?:credentials?|\w+_credentials|api_keys?|password_resets?|personal_access_tokens|oauth_access_tokens|secrets)$"
)
_CATALOG_TABLES: Final = re.compile(
    r"^(?:sqlite_master|sqlite_schema|sqlite_temp_master|sysobjects|syscolumns|sysdatabases|systables|all_tables"
    r"|all_tab_columns|user_tables|user_tab_columns|dba_tables|dba_tab_columns|pg_class|pg_tables|pg_database"
    r"|pg_user|pg_roles"
    r"|pg_proc|pg_namespace|pg_attribute|pg_stat_activity|pg_settings|innodb_table_stats|innodb_index_stats|msysobjects"
    r"|v\$version|v\$session|v\$instance|processlist|schemata)$"
)
_CATALOGS: Final = word_set("information_schema pg_catalog sys mysql performance_schema master msdb")
_SECRET_COLUMN: Final = re.compile(
    r"^(?:.*_)?(?:password|passwd|pwd|passphrase|password_hash|pass_hash|passwordhash|password_digest"
    r"|encrypted_password"
    r"|authentication_string|api_?key|api_?secret|client_secret|secret(?:_key)?|private_key|access_token|refresh_token"
    r"|auth_token|session_token|totp_secret|mfa_secret|otp_secret|recovery_codes?|cvv|cvc|card_number"
    r"|credit_card(?:_number)?"
    r"|cc_number|ssn|social_security(?:_number)?|pin_code|security_answer)$"
)


def judgement_of(function: str) -> Judgement | None:
    """Return what calling `function` means, if anything; its name is lower case and may have a schema."""
    return _BY_NAME.get(function) or _BY_NAME.get(function.rpartition(".")[2])


def keeps_secrets(table: str, schema: str = "") -> bool:
    """Say whether a table holds who may log in with what."""
    return _SECRET_TABLES.match(table) is not None or (schema == "mysql" and table == "user")


def keeps_keys(table: str) -> bool:
    """Say whether a table of somebody's own holds keys or tokens, by its name."""
    return _KEYS_TABLES.match(table) is not None


def is_catalog(table: str, schema: str = "") -> bool:
    """Say whether a table describes the database."""
    return schema in _CATALOGS or _CATALOG_TABLES.match(table) is not None


def is_secret_column(column: str) -> bool:
    """Say whether a column holds secrets, by its name."""
    return _SECRET_COLUMN.match(column) is not None
