/**
 * Every way to log in to Weir with every way in which Weir logs in to a node, over every mode of TLS,
 * by three real clients. With WEIR_WRITE_MATRIX=1 the outcome becomes docs/login-matrix.md.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Front, startFront } from '../support/front.ts'
import { hasPsql, type Outcome, passwordFor, tryAll } from '../support/login-drivers.ts'
import {
  type Cell,
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
import { type Seen, type TurnedAway, writeMatrix } from '../support/login-matrix-page.ts'

let lab: MatrixLab
const seen: Seen[] = []
const turnedAway: TurnedAway[] = []

beforeAll(async () => {
  lab = await startMatrixLab()
})

afterAll(async () => {
  if (process.env.WEIR_WRITE_MATRIX === '1')
    writeFileSync('docs/login-matrix.md', writeMatrix(seen, turnedAway))
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
      const front = await openFront(setup)
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

/** Before any node is asked: all at an endpoint with tls.mode required. */
const TURNED_AWAY: readonly Refused[] = [
  {
    what: 'no TLS where tls.mode is required',
    cell: { client: 'scram', node: 'scram', user: 'scram_to_scram' },
    clientTls: 'off',
    text: 'this endpoint accepts TLS connections only',
  },
  {
    what: 'a wrong password, by SCRAM',
    cell: { client: 'scram', node: 'scram', user: 'scram_to_scram' },
    password: 'wrong',
    text: 'password authentication failed for user "scram_to_scram"',
  },
  {
    what: 'a wrong password, by md5',
    cell: { client: 'md5', node: 'scram', user: 'md5_to_scram' },
    password: 'wrong',
    text: 'password authentication failed for user "md5_to_scram"',
  },
  {
    what: 'no certificate where it is what counts',
    cell: { client: 'scram', node: 'scram', user: 'cert_to_scram' },
    text: 'connection requires a valid client certificate',
  },
  {
    what: 'a password where a token is required',
    cell: { client: 'token', node: 'scram', user: 'token_to_scram' },
    password: 'token_to_scram!',
    text: 'The IAM authentication failed for the role token_to_scram',
  },
  {
    what: 'a token for another user',
    cell: { client: 'token', node: 'scram', user: 'token_to_scram' },
    tokenOf: 'token_to_md5',
    text: 'The IAM authentication failed for the role token_to_scram',
  },
]

describe('a client that Weir itself turns away', () => {
  it('hears why from every driver, and no node is asked', async () => {
    const setup = { clientTls: 'required', nodeTls: 'verify-full', held: 'passwords' } as const
    const front = await openFront({ ...setup, bound: false })
    try {
      const port = front.port('writer')
      const attempts = await Promise.all(
        TURNED_AWAY.map(async ({ cell, clientTls = 'required', password, tokenOf }) => {
          const right = await passwordFor(lab, { ...cell, user: tokenOf ?? cell.user }, port)
          return { ...cell, port, clientTls, password: password ?? right }
        }),
      )
      for (const driver of drivers) {
        const outcomes = await tryAll(lab, driver, attempts)
        const texts = outcomes.map((outcome) => ('error' in outcome ? outcome.error : 'got in'))
        for (const [i, { what }] of TURNED_AWAY.entries()) {
          turnedAway.push({ what, driver, text: texts[i]! })
        }
        expect(texts).toEqual(TURNED_AWAY.map(({ text }) => expect.stringContaining(text)))
      }
      expect(front.app.snapshot().pools.filter(({ user }) => user !== 'weir')).toEqual([])
    } finally {
      await front.end()
    }
  })
})

interface Refused {
  readonly what: string
  readonly cell: Cell
  readonly clientTls?: Setup['clientTls']
  /** Default the right one. */
  readonly password?: string
  readonly tokenOf?: string
  readonly text: string
}

function openFront(setup: Setup): Promise<Front> {
  const users = [...lab.passwords].map(([username, held]) => ({
    username,
    password: held[setup.held],
  }))
  return startFront(lab.house, {
    config: configOf(lab, setup),
    users,
    pool: { maxConnections: 1, idleTimeout: '1m' },
  })
}

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
