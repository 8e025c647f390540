/**
 * How many processes serve clients, and how one is replaced. Rule: what a limit bounds it bounds for
 * all of them together.
 */
import { countOr, durationOr } from './setting.ts'

const SECOND = 1_000
const DAY = 24 * 3_600 * SECOND

export const workers = countOr(
  ['auto'],
  { min: 1, max: 16, unit: 'processes' },
  {
    description:
      'Processes that serve clients. auto: one on one or two cores, else half as many as there are cores, up to 8.',
    example: '4',
  },
)

export const rollTimeout = durationOr(
  ['unlimited'],
  { min: SECOND, max: 7 * DAY },
  {
    description:
      'How long a worker that was replaced on a reload stays for clients that are still connected; then they are sent away at the end of their transactions. unlimited: until the last one has left.',
    example: '10m',
  },
)
