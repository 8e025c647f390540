import { describe, expect, it } from 'vitest'
import { settingsFor } from '../../../src/cli/up.ts'

describe('the settings of weir up', () => {
  it('are those of the lab when nothing was said', () => {
    const { settings } = settingsFor({ dir: '.weir' })
    expect(settings.endpoints[0]).toMatchObject({ name: 'writer', port: 6432 })
    expect(settings.admin.port).toBe(6480)
  })

  it('move every port by the offset that was said', () => {
    const { settings } = settingsFor({ dir: '.weir', portOffset: 100 })
    expect(settings.endpoints[0]).toMatchObject({ name: 'writer', port: 6532 })
    expect(settings.admin.port).toBe(6580)
  })
})
