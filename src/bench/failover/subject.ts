/**
 * What the instrument asks of a subject (whatever stands between clients and nodes) and of the
 * driver that hurts and heals the nodes. Rule: the instrument knows both by these interfaces only,
 * so that Weir, a pooler of others and a bare list of hosts are measured by the same code.
 */
import type pg from 'pg'
import type { Fault, Timeline } from './result.ts'
import type { SharedKeys } from './shared-keys.ts'

/** A node as a subject may reach it; in a partition that is a link which can be cut. */
export interface NodeAddress {
  readonly name: string
  readonly host: string
  readonly port: number
}

export interface Login {
  readonly user: string
  readonly password: string
  readonly database: string
}

/** Ports of a subject's own: `first` to `first + count - 1`, on loopback. */
export interface PortRange {
  readonly first: number
  readonly count: number
}

export interface SubjectStart {
  readonly nodes: readonly NodeAddress[]
  readonly login: Login
  readonly ports: PortRange
  /** Exists, is empty, and stays for who looks for logs. */
  readonly directory: string
  /** Connections that will be open at the same time; a subject sizes its limits by it. */
  readonly clients: number
  /** Of each node: a pooler stays below it. */
  readonly nodeConnections: number
}

export type Target = 'writer' | 'reader'

/** What every client of the load sets, whoever connects it. */
export interface ConnectOptions {
  readonly applicationName: string
  readonly connectTimeoutMs: number
  /** No answer in this time is an error at the client, as an application's own timeout is. */
  readonly queryTimeoutMs: number
  /** Spares this machine what each client's own would do; default: each derives its own. */
  readonly keys?: SharedKeys
}

/** Where clients connect. */
export interface Reached {
  /** `postgres://user:password@host:port/database`. */
  readonly writerUrl: string
  readonly readerUrl: string
  /** Where LISTEN works, when it does not at `writerUrl`. */
  readonly listenUrl?: string
  /**
   * Connects where one URL cannot say how (a list of hosts). It resolves with a connected client
   * and rejects when none of the hosts will do now; the load tries again at once, paced.
   */
  readonly connect?: (target: Target, options: ConnectOptions) => Promise<pg.Client>
}

export interface Subject {
  /** Short and unique in a run: `weir`, `direct`, `pgbouncer`. */
  readonly name: string
  /** One line: versions and the settings that matter. Before `start` too. */
  description(): Promise<string>
  /**
   * Names what is not installed, one sentence each; empty when all is there. Asked for all subjects
   * before anything is started.
   */
  missing(): Promise<readonly string[]>
  /** Resolves when clients are served by writer and readers. */
  start(start: SubjectStart): Promise<Reached>
  stop(): Promise<void>
  /** What it says of the one failover after `since` (wall ms); empty when it tells nothing. */
  milestones?(since: number): Promise<Timeline>
  /**
   * Its own way to move the writer in order: holds its clients, calls `promote`, lets go.
   * Without it the instrument just calls `promote`.
   */
  switchover?(promote: () => Promise<void>): Promise<void>
}

export interface Injected {
  /** The node that was hurt. */
  readonly victim: string
  /** Wall ms just before and just after the act (signal sent, link cut). */
  readonly from: number
  readonly to: number
}

export interface Promoted {
  readonly name: string
  /** Wall ms at which the promotion was asked for. */
  readonly asked: number
}

/** Hurts nodes and heals them. Calls come one at a time: inject, promote, heal. */
export interface FaultDriver {
  /** One line for the report: what kind of cluster, how it is promoted. */
  readonly description: string
  readonly login: Login
  readonly faults: readonly Fault[]
  /** All nodes as the instrument reaches them, past any link. */
  nodes(): Promise<readonly NodeAddress[]>
  /** Name of the present writer. */
  writer(): Promise<string>
  /**
   * Returns when it is done: the process is dead, stopped, frozen. `partition` is done by the
   * instrument, which cuts its links; the driver then only names the victim. `switchover` likewise
   * does nothing yet.
   */
  inject(fault: Fault): Promise<Injected>
  /** Makes another node the writer; forced where the old one cannot be stopped. */
  promote(fault: Fault): Promise<Promoted>
  /** Returns when every node is there and streams, the victim as a reader. Links are whole again. */
  heal(fault: Fault, victim: string): Promise<void>
  /** Stops what it started. */
  end(): Promise<void>
}
