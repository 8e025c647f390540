/**
 * Every way to log in to Weir with every way in which Weir logs in to a node, over every mode of TLS,
 * by three real clients. With WEIR_WRITE_MATRIX=1 the outcome becomes docs/login-matrix.md.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFront } from '../support/front.ts'
import { hasPsql, type Outcome, passwordFor, tryAll } from '../support/login-drivers.ts'
import {
  CLIENT_TLS,
  cellsOf,
  configOf,
  DRIVERS,
  type MatrixLab,
  NO_SUCH_CLIENT,
  NODE_TLS,
  refusalOf,
  type Setup,
  startMatrixLab,
} from '../support/login-matrix.ts'
import { type Seen, writeMatrix } from '../support/login-matrix-page.ts'

let lab: MatrixLab
const seen: Seen[] = []

beforeAll(async () => {
  lab = await startMatrixLab()
})

afterAll(async () => {
  if (process.env.WEIR_WRITE_MATRIX === '1')
    writeFileSync('docs/login-matrix.md', writeMatrix(seen))
  await lab?.end()
})

const SETUPS: Setup[] = CLIENT_TLS.flatMap((clientTls) =>
  NODE_TLS.flatMap((nodeTls): Setup[] => {
    const held = 'passwords'
    const plain = { clientTls, nodeTls, held, bound: false } as const
    // Channel binding without TLS is refused when the configuration is read.
    return nodeTls === 'disable' ? [plain] : [plain, { ...plain, bound: true }]
  }),
)
for (const bound of [false, true]) {
  SETUPS.push({ clientTls: 'required', nodeTls: 'verify-full', held: 'stored forms', bound })
}

const drivers = DRIVERS.filter((driver) => driver !== 'psql' || hasPsql)

describe('a login through Weir', () => {
  it.each(SETUPS)(
    'succeeds or is refused as it must: clients $clientTls, nodes $nodeTls, held $held, bound $bound',
    async (setup) => {
      const users = [...lab.passwords].map(([username, held]) => ({
        username,
        password: held[setup.held],
      }))
      const front = await startFront(lab.house, {
        config: configOf(lab, setup),
        users,
        pool: { maxConnections: 1, idleTimeout: '1m' },
      })
      try {
        const cells = cellsOf(setup)
        const port = front.port('writer')
        const attempts = await Promise.all(
          cells.map(async (cell) => ({
            ...{ ...cell, port, clientTls: setup.clientTls },
            password: await passwordFor(lab, cell, port),
          })),
        )
        for (const driver of drivers) {
          const tried = attempts.filter((a) => refusalOf(setup, a, driver) !== NO_SUCH_CLIENT)
          const outcomes = await tryAll(lab, driver, tried)
          for (const [i, cell] of tried.entries())
            seen.push({ setup, cell, driver, outcome: outcomes[i]! })
          expect(tried.map((cell, i) => said(cell.user, outcomes[i]!))).toEqual(
            tried
              .map((cell) => {
                const refusal = refusalOf(setup, cell, driver)
                if (refusal !== undefined) return `${cell.user}: ${refusal}`
                return `${cell.user}: in as ${cell.user}, TLS ${setup.nodeTls !== 'disable'}`
              })
              .map((line, i) => matching(line, said(tried[i]!.user, outcomes[i]!))),
          )
        }
      } finally {
        await front.end()
      }
    },
  )
})

function said(user: string, outcome: Outcome): string {
  if ('error' in outcome) return `${user}: ${outcome.error}`
  return `${user}: in as ${outcome.user}, TLS ${outcome.ssl}`
}

/** A refusal is known by a part of its text. */
function matching(expected: string, got: string): string {
  const at = expected.indexOf(': ')
  const [user, part] = [expected.slice(0, at + 2), expected.slice(at + 2)]
  return got.startsWith(user) && !part.startsWith('in as ') && got.includes(part) ? got : expected
}
