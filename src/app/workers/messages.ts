/**
 * What control plane and worker processes say to each other. Rule: plain data that survives a
 * structured clone; moments are milliseconds of this machine's monotonic clock (`machine-time.ts`),
 * for the clocks of two processes begin at different moments.
 */
import type { InTheWay, PauseTarget } from '../../admin/orders.ts'
import type { ClientStatus } from '../../admin/snapshot.ts'
import type { SecretEntry } from '../../auth/secret-file.ts'
import type { Settings } from '../../config/settings.ts'
import type { AuditEvent } from '../../core/audit.ts'
import type { MetricsSnapshot } from '../../metrics/snapshot.ts'
import type { Address } from '../../net/network.ts'
import type { PausedFor } from '../../pool/pools.ts'
import type { CancelKey } from '../../protocol/contract.ts'
import type { ObservedTopology } from '../../topology/observed.ts'
import type { Hint } from '../../topology/topology.ts'
import type { PlaneReport, Usage } from '../planes.ts'

/** What the others, all together, have. */
export interface Others {
  readonly clients: number
  /** Connections that listen for many clients: how many there have been, and are. */
  readonly listenersEver: number
  readonly listeners: number
}

/** Everything a new worker has to know. */
export interface Begin {
  readonly kind: 'begin'
  /** Unlike that of any other living worker; part of its clients' process numbers. */
  readonly number: number
  /** One for all workers: a client's keys fit whichever it comes to. */
  readonly pepper: Uint8Array
  readonly secrets: readonly SecretEntry[]
  /** Its own share of what is to be shared out. */
  readonly settings: Settings
  /** Of all workers together. */
  readonly maxClients: number
  readonly topology: ObservedTopology
  readonly paused: readonly (readonly [node: string, whom: PausedFor])[]
  readonly closedGates: readonly string[]
  readonly watched: string | undefined
  readonly others: Others
  /** Whether nobody may log in, for want of an audit log. */
  readonly auditClosed: boolean
}

/** A part of a node's allowance; `order` counts up for each node. */
export interface Allowance {
  readonly kind: 'allowance'
  readonly node: string
  readonly order: number
  readonly limit: number
  readonly whole: number
  readonly share: number
}

export type Question =
  | { readonly what: 'figures' }
  | { readonly what: 'whole' }
  | { readonly what: 'clients' }
  | { readonly what: 'in-the-way'; readonly target: PauseTarget; readonly most: number }

export type Down =
  | Begin
  | Allowance
  | {
      readonly kind: 'topology'
      readonly now: ObservedTopology
      readonly sentences: readonly string[]
    }
  | { readonly kind: 'pause'; readonly node: string; readonly whom: PausedFor }
  | { readonly kind: 'resume'; readonly node: string }
  | { readonly kind: 'gates'; readonly closed: readonly string[] }
  | { readonly kind: 'watch'; readonly node: string }
  | { readonly kind: 'unwatch' }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'others'; readonly others: Others }
  /** Nothing lies free elsewhere: idle members here may go instead. */
  | { readonly kind: 'denied'; readonly node: string }
  /** Give up to so many places that nobody uses. */
  | { readonly kind: 'yield'; readonly node: string; readonly order: number; readonly most: number }
  | { readonly kind: 'cancel'; readonly id: number; readonly key: CancelKey }
  | { readonly kind: 'cancelled'; readonly id: number }
  /** In place of all before. */
  | { readonly kind: 'secrets'; readonly entries: readonly SecretEntry[] }
  /** The sources of secrets were looked at, after a doubt. */
  | { readonly kind: 'looked' }
  | { readonly kind: 'audit-closed'; readonly closed: boolean }
  /** Take no new clients, and end when the last one has left. */
  | { readonly kind: 'leave'; readonly withinMs: number | undefined }
  | { readonly kind: 'stop'; readonly graceMs: number }

/** Cheap enough to be told all the time. */
export interface Pulse {
  readonly clients: number
  /** When each node last answered a client. */
  readonly lastAnswers: Readonly<Record<string, number>>
}

/** What pauses and failovers look at. */
export interface Figures extends Pulse {
  readonly lentByNode: Readonly<Record<string, number>>
  readonly lentByEndpoint: Readonly<Record<string, number>>
  /** How many wait at the gate of each endpoint. */
  readonly gates: Readonly<Record<string, number>>
  readonly waitingSessions: number
  readonly listening: boolean
  readonly outcomes: Readonly<Record<string, number>>
}

export interface Whole {
  readonly figures: Figures
  readonly report: PlaneReport
  readonly counted: MetricsSnapshot
  readonly usage: Usage
}

export interface Answers {
  readonly figures: Figures
  readonly whole: Whole
  readonly clients: readonly ClientStatus[]
  readonly 'in-the-way': readonly InTheWay[]
}

/** How a worker stands with one node's allowance. */
export interface Need {
  readonly kind: 'need'
  readonly node: string
  /** The last order it has carried out. */
  readonly order: number
  readonly limit: number
  /** Places in use, connections included that are being closed and not gone yet. */
  readonly taken: number
  /** How many more it could use now. */
  readonly wants: number
}

export type Up =
  | Need
  /** It listens from now on. */
  | { readonly kind: 'hello' }
  | {
      readonly kind: 'ready'
      readonly endpoints: readonly {
        readonly name: string
        readonly addresses: readonly Address[]
      }[]
    }
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly message: string
      readonly hint: string | undefined
    }
  | { readonly kind: 'hint'; readonly hint: Hint }
  /** For the audit log; `at` in wall-clock ms. */
  | { readonly kind: 'audit'; readonly event: AuditEvent; readonly at: number }
  /** A secret was refused. */
  | { readonly kind: 'doubt' }
  | { readonly kind: 'acted'; readonly epoch: number; readonly at: number }
  | { readonly kind: 'borrowed'; readonly node: string; readonly at: number }
  | { readonly kind: 'replied'; readonly node: string; readonly at: number }
  | { readonly kind: 'pulse'; readonly pulse: Pulse }
  /** Connections that listen for many clients: how many there have been, and are. */
  | { readonly kind: 'listeners'; readonly ever: number; readonly now: number }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'cancel'; readonly id: number; readonly key: CancelKey }
  | { readonly kind: 'cancelled'; readonly id: number }
  /** Its server connections, by the process ids that the node gave them. */
  | {
      readonly kind: 'backends'
      readonly node: string
      readonly opened: readonly number[]
      readonly ended: readonly number[]
    }

/** One end of the line between control plane and a worker. */
export interface Channel<Out, In> {
  /** Harmless when the other side is gone. */
  send(message: Out): void
  /** Set before the first message can come. */
  receive: (message: In) => void
}
