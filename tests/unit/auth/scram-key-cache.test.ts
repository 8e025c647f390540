import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ScramKeyCache } from '../../../src/auth/scram-key-cache.ts'
import { deriveKeys } from '../../../src/auth/scram-keys.ts'

const salt = Buffer.from('0123456789abcdef')

describe('the cache of SCRAM keys', () => {
  it('derives once for a storm of openings and answers at once afterwards', async () => {
    const cache = new ScramKeyCache()
    const storm = Array.from({ length: 100 }, () => cache.keysFor('s3cret', salt, 4096))
    expect(await storm[0]).toEqual(await deriveKeys('s3cret', salt, 4096))
    await Promise.all(storm)
    expect(cache.derivations).toBe(1)
    expect(cache.keysFor('s3cret', salt, 4096)).not.toBeInstanceOf(Promise)
  })

  it('keeps password, salt and count apart', async () => {
    const cache = new ScramKeyCache()
    await cache.keysFor('s3cret', salt, 2)
    await cache.keysFor('s3cret2', salt, 2)
    await cache.keysFor('s3cret', Buffer.concat([salt, salt]), 2)
    await cache.keysFor('s3cret', salt, 3)
    expect(cache.derivations).toBe(4)
  })

  it('forgets the least recently used beyond its limit', async () => {
    const cache = new ScramKeyCache(2)
    await cache.keysFor('a', salt, 1)
    await cache.keysFor('b', salt, 1)
    await cache.keysFor('a', salt, 1)
    await cache.keysFor('c', salt, 1)
    expect(cache.keysFor('a', salt, 1)).not.toBeInstanceOf(Promise)
    expect(cache.keysFor('b', salt, 1)).toBeInstanceOf(Promise)
  })

  it('does not remember a failure', async () => {
    const cache = new ScramKeyCache()
    await expect(cache.keysFor('a', salt, 0)).rejects.toThrow()
    await expect(cache.keysFor('a', salt, 0)).rejects.toThrow()
    expect(cache.derivations).toBe(2)
  })

  it('never shows a password', async () => {
    const cache = new ScramKeyCache()
    await cache.keysFor('s3cret', salt, 1)
    expect(inspect(cache, { depth: 9, showHidden: true }) + JSON.stringify(cache)).not.toContain(
      's3cret',
    )
  })
})
