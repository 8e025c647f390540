/**
 * The stage of the differential suites: a house with roles and tables that scenarios use. Rule: a
 * scenario changes only what its own `setup` puts back.
 */
import pg from 'pg'
import { type House, startHouse } from '../../support/house.ts'
import type { Scenario } from './scenario.ts'

const SCENERY = [
  `create table t (id serial primary key, name text not null check (name <> 'bad'))`,
  `create table c (id int, v text)`,
  'create sequence s',
  `create schema other create table here (whose text)`,
  `insert into other.here values ('other')`,
  `create schema elsewhere create table here (id int, whose text)`,
  'create table here (yours int, whose text)',
  `create function fails(t text) returns int language plpgsql as
   $$ begin raise exception 'failed: %', t using errcode = 'P0099'; end $$`,
  `create procedure commits(n int) language plpgsql as
   $$ begin for i in 1..n loop insert into c values (i, 'c'); commit; end loop; end $$`,
  `create function with_setting() returns text language sql set work_mem = '9MB' as
   $$ select current_setting('work_mem') $$`,
  `create role guest login password 'guest'`,
  `create role nologin password 'weir'`,
  'create database closed',
  'revoke connect on database closed from public',
]

export interface Stage {
  readonly house: House
  /** Runs a scenario's setup on the node itself. */
  prepare(scenario: Pick<Scenario, 'setup'>): Promise<void>
  end(): Promise<void>
}

export async function openStage(pool = 3): Promise<Stage> {
  const house = await startHouse({
    pool,
    users: [
      { username: 'guest', password: 'guest' },
      { username: 'nologin', password: 'weir' },
    ],
  })
  const hand = new pg.Client({ connectionString: house.direct })
  await hand.connect()
  for (const text of SCENERY) await hand.query(text)
  return {
    house,
    prepare: async ({ setup }) => {
      if (setup !== undefined) await hand.query(setup)
    },
    end: async () => {
      await hand.end()
      await house.end()
    },
  }
}

/** Reproducible numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Cuts bytes at random places; short ones into single bytes. */
export function cutter(random: () => number): (bytes: Buffer) => Buffer[] {
  return (bytes) => {
    const pieces: Buffer[] = []
    const most = bytes.length <= 120 ? 1 : Math.ceil(bytes.length / 8)
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(bytes.length - at, 1 + Math.floor(random() * most))
      pieces.push(bytes.subarray(at, at + n))
      at += n
    }
    return pieces
  }
}
