import { describe } from 'vitest'
import { startServers } from './images.ts'
import { throughWeir } from './through-weir.ts'

/** Oldest and newest version that Postgres itself supports. */
const IMAGES = (process.env.WEIR_POSTGRES_IMAGES ?? 'postgres:14,postgres:18').split(',')

describe.each(IMAGES)('Weir in front of %s', (image) => {
  throughWeir(() => startServers(image))
})
