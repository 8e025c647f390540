/**
 * What the soak finds in its database: roles, a schema each for some, the same table in every schema
 * with the name of its schema in it, rows that only their owner sees. Rule: nothing here changes while
 * the soak runs, but for the tally.
 */
import pg from 'pg'
import { HOUSED, LOGIN, ROLES, SCHEMAS, SETTINGS } from './settings-table.ts'

export async function prepareStage(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const schemas = [...SCHEMAS, ...HOUSED]
    await client.query(
      [
        ...ROLES.map((role) => `create role ${role}`),
        ...schemas.map(
          (schema) => `create schema ${schema}; grant usage on schema ${schema} to public`,
        ),
        ...[...schemas, 'public'].map(
          (schema) =>
            `create table ${schema}.whose as select '${schema}'::text as name; grant select on ${schema}.whose to public`,
        ),
        'create table mine (owner text); grant select on mine to public',
        `insert into mine values ${ROLES.map((role) => `('${role}')`).join(',')}`,
        'alter table mine enable row level security',
        'create policy own on mine using (owner = current_user)',
        'create table tally (client int primary key, n int); grant all on tally to public',
        'create sequence tickets; grant all on sequence tickets to public',
      ].join(';\n'),
    )
  } finally {
    await client.end()
  }
}

/** What a session that asked for nothing begins with, by the order of `SETTINGS`, role and user behind. */
export async function defaultsOf(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: '' })
  await client.connect()
  try {
    const values: string[] = []
    for (const { name } of SETTINGS) {
      const { rows } = await client.query(
        `select coalesce(current_setting($1, true), '') as value`,
        [name],
      )
      values.push(rows[0].value)
    }
    return [...values, 'none', LOGIN]
  } finally {
    await client.end()
  }
}
