/**
 * What a run says while it goes on, for whoever shows it. Rule: calls are cheap and never throw; a
 * round must not wait for a terminal.
 */
import type { Fault, Round } from './result.ts'

export const PHASES = [
  'starting',
  'connecting',
  'before',
  'fault',
  'after',
  'idle clients',
  'judging',
  'healing',
] as const
export type Phase = (typeof PHASES)[number]

export interface Standing {
  readonly subject: string
  readonly fault: Fault
  /** From 1. */
  readonly round: number
  readonly rounds: number
  readonly phase: Phase
  /** Clients of the schedule (not idle ones) whose last request was answered well, and all. */
  readonly answering: number
  readonly clients: number
}

export interface Progress {
  /** At each change of phase, and ten times a second while there is load. */
  at(standing: Standing): void
  /** A round is over. */
  ended(round: Round): void
  /** A sentence of the lab or of a subject. */
  say(sentence: string): void
}

export const silentProgress: Progress = { at: () => {}, ended: () => {}, say: () => {} }
