/** Places of secrets as the settings name them. Rule: pure translation; nothing is read yet. */
import { commandSource } from '../auth/command-source.ts'
import { managerSource } from '../auth/manager-source.ts'
import {
  type Environment,
  environmentSource,
  fileSource,
  inlineSource,
  passwordSource,
  type SecretSource,
} from '../auth/secret-source.ts'
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'

export function secretSources(
  { secrets, rotationWindowMs: windowMs }: Settings['auth'],
  clock: Clock,
  env: Environment,
): SecretSource[] {
  return secrets.map((place) => {
    switch (place.kind) {
      case 'file':
        return fileSource(place.path)
      case 'inline':
        return inlineSource(place.username, place.password)
      case 'password':
        return passwordSource(place.username, place.variable, env)
      case 'environment':
        return environmentSource(place.variable, env)
      case 'command':
        return commandSource(place)
      case 'manager':
        return managerSource({ ...place, windowMs, now: () => clock.wall() })
      default:
        return place satisfies never
    }
  })
}
