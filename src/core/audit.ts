/**
 * What is written down of who did what: the events, and the one call with which any room tells one.
 * Rule: plain data that survives a structured clone and holds no password, token, secret or parameter
 * value; what a stranger sent (a user name) is given as it came, and made harmless where it is printed.
 */
import type { WeirError } from './errors.ts'

/** Kinds of events; `audit.events` picks among them. */
export const AUDIT_KINDS = ['login', 'logout', 'pin', 'cancel', 'command', 'change'] as const
export type AuditKind = (typeof AUDIT_KINDS)[number]

/** Where a client came from; on a Unix socket there is nothing to say. */
export interface AuditSource {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** How a link is encrypted. */
export interface AuditTls {
  /** `TLSv1.3` */
  readonly version?: string | undefined
  readonly cipher?: string | undefined
  /** Subject of the certificate the client showed, when it was verified. */
  readonly certificate?: string | undefined
}

/** How a client has proved, or tried to prove, who it is. */
export interface LoginProof {
  /** `scram-sha-256`, `scram-sha-256-plus`, `md5`, `cert`, `iam`, `password`, `trust` */
  readonly method: string
  /** Id of the access key a token was signed with; never the token. */
  readonly tokenKey?: string | undefined
}

/** A client's login is over. */
export interface LoginEvent {
  readonly kind: 'login'
  readonly outcome: 'accepted' | 'refused'
  /** Why it was refused: the same word as in log and metric. */
  readonly reason?: string | undefined
  /** Of more detail than the client is told, where there is one. */
  readonly message?: string | undefined
  /** Number of the session that begins. */
  readonly session?: number | undefined
  readonly endpoint: string
  readonly user?: string | undefined
  readonly database?: string | undefined
  readonly source: AuditSource
  readonly tls?: AuditTls | undefined
  readonly proof?: LoginProof | undefined
}

/** A session is over. */
export interface LogoutEvent {
  readonly kind: 'logout'
  readonly session: number
  readonly endpoint: string
  readonly user: string
  readonly database: string
  readonly source: AuditSource
  readonly reason: string
}

/** A session keeps its server connection from now on. */
export interface PinEvent {
  readonly kind: 'pin'
  readonly session: number
  readonly endpoint: string
  readonly user: string
  readonly database: string
  readonly reason: string
  /** The statement that gave the reason, without its values; left out by `audit.statements: off`. */
  readonly statement?: string | undefined
}

/** A cancel request has come. */
export interface CancelEvent {
  readonly kind: 'cancel'
  /** `passed-on`: to another worker or instance, which decides and tells. */
  readonly outcome: 'accepted' | 'ignored' | 'passed-on'
  /** Undefined: passed on by another worker, whose line says both. */
  readonly endpoint?: string | undefined
  readonly source?: AuditSource | undefined
  /** The process number it names; with the secret beside it, it would be a key. */
  readonly pid: number
}

/** Somebody gave an order over HTTP, or was not let in there. */
export interface CommandEvent {
  readonly kind: 'command'
  readonly outcome: 'done' | 'failed' | 'refused'
  /** `pause`, `resume`, or the path that was asked for. */
  readonly command: string
  /** Name of the admin user; undefined where none is configured, or the name is not known. */
  readonly user?: string | undefined
  readonly source: AuditSource
  /** What was ordered, checked already. */
  readonly order?: object | undefined
  /** What Weir answered, in short. */
  readonly answer?: string | undefined
}

/** Something that decides who may come in is another from now on. */
export interface ChangeEvent {
  readonly kind: 'change'
  readonly what: 'start' | 'stop' | 'settings' | 'secrets' | 'certificate' | 'audit'
  readonly outcome: 'done' | 'failed'
  /** Names of settings or users, or a file; never a value. */
  readonly detail?: string | undefined
}

export type AuditEvent =
  | LoginEvent
  | LogoutEvent
  | PinEvent
  | CancelEvent
  | CommandEvent
  | ChangeEvent

export interface Audit {
  /** Costs no more than putting the line into a queue; never throws. */
  tell(event: AuditEvent): void
  /** Whether anybody wants to know; for callers to which the event itself would be a cost. */
  wants(kind: AuditKind): boolean
  /** Why nobody may log in: nothing can be written down, and `audit.required` is on. */
  readonly closed: WeirError | undefined
}

/** Nothing is written down. */
export const noAudit: Audit = {
  tell: () => {},
  wants: () => false,
  closed: undefined,
}
