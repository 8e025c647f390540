/**
 * Settings of several Weirs that stand behind one address. Rule: an instance by itself needs none
 * of them.
 */
import { addresses, count, section } from './setting.ts'

/** The number of an instance is part of what clients take for a process id, and has eight bits there. */
const MOST_INSTANCES = 255

export const instance = section(
  {
    id: count(
      { min: 1, max: MOST_INSTANCES },
      {
        description:
          'Number of this Weir among those behind the same address, each with its own; it is part of the process ids clients are given.',
        example: '1',
        otherwise: 'none: it stands alone',
      },
    ).optional(),
    peers: addresses({
      description:
        'The others by their numbers, and any address they listen on for clients: a cancel request that was meant for one of them is sent on to it.',
      example: '{ 2: "10.0.0.2:6432" }',
      otherwise: 'none',
    }).prefault({}),
  },
  {
    description:
      'One of several Weirs behind one address (a load balancer, one name for several machines).',
    example: 'id: 1',
  },
)
