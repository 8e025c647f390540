/**
 * What a storm may be sent to. Rule: the instrument knows a target by this interface only, so that
 * Weir, another pooler and a bare node are measured by the same code.
 */
import type { TlsMode } from './plan.ts'

export interface Login {
  readonly user: string
  readonly password: string
  readonly database: string
}

/** The node of a lab of the instrument's own. */
export interface LabNode {
  readonly host: string
  readonly port: number
  readonly pid: number | undefined
  /** A superuser's, for those that watch. */
  readonly admin: Login
  /** The clients': an ordinary user, so that no reserved connection is theirs. */
  readonly load: Login
  /** The load's SCRAM secret, as the node has it. */
  readonly secret: string
  /** For servers whose clients shall speak TLS. */
  readonly certificate: { readonly certFile: string; readonly keyFile: string } | undefined
}

export interface TargetStart {
  /** Undefined when every target is somewhere else. */
  readonly lab: LabNode | undefined
  /** Free ports on loopback, `port` to `port + 9`. */
  readonly port: number
  /** Exists and is empty. */
  readonly directory: string
  /** Most clients there will be at once. */
  readonly clients: number
  /** Server connections a pooler may have. */
  readonly pool: number
}

export interface Stormed {
  readonly url: string
  /** Used where the URL does not say. */
  readonly tls?: TlsMode
  /** Of the proxy; undefined where there is none or nobody knows. */
  readonly proxyPid: number | undefined
}

export interface Target {
  /** Short and unique in a run. */
  readonly name: string
  /** Started on the lab, not somewhere else. */
  readonly onLab: boolean
  /** One line, once it is started: versions and the settings that matter. */
  description(): string
  /** One sentence for each thing that is not installed. */
  missing(): readonly string[]
  /** Resolves when a client is served. */
  start(start: TargetStart): Promise<Stormed>
  stop(): Promise<void>
}
