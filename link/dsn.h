/*
 * The address of another database, as a partition's row names it (sql/0016_databases.sql), and what
 * a program makes of it. Pure: nothing is connected.
 */
#ifndef USHER_LINK_DSN_H
#define USHER_LINK_DSN_H

#define DSN_BYTES_MAX 1000 /* sql/0016_databases.sql says the same */

/* NULL if it may stand in a row: libpq can read it, it names something, and no password. Else a
 * static sentence, which repeats nothing of it. */
const char *dsn_check(const char *dsn);

/*
 * `own` is a program's option `postgres`, `dsn` what dsn_check let pass. What the DSN leaves out
 * (user, password, sslmode, the database's name …) is as in `own`; but one that names a host has
 * nothing of its hosts: host, hostaddr and port go together. A keyword string, owned by the caller
 * (free); NULL if libpq cannot read one of them. It may hold a password: not for people.
 */
char *dsn_merge(const char *own, const char *dsn);

#endif
