/**
 * Any URL as a subject: whatever a person has running. Rule: it starts and stops nothing, and says
 * of itself only where it is and what answers there.
 */
import { until } from '../../../core/until.ts'
import type { Subject } from '../subject.ts'
import { answers, withoutPassword } from './urls.ts'

/**
 * @param name how the report calls it
 * @param readerUrl where readers go; the writer's URL when there is no other
 */
export function urlSubject(name: string, writerUrl: string, readerUrl = writerUrl): Subject {
  return {
    name,
    description: async () => {
      const readers = readerUrl === writerUrl ? '' : `, readers at ${withoutPassword(readerUrl)}`
      return `what answers at ${withoutPassword(writerUrl)}${readers}; not started by this run`
    },
    missing: async () => {
      const wrong = [...new Set([writerUrl, readerUrl])].filter(
        (url) => !/^postgres(ql)?:\/\/./.test(url),
      )
      return wrong.map((url) => `${withoutPassword(url)} is not a URL of Postgres (postgres://...)`)
    },
    start: async () => {
      await until(() => answers(writerUrl, 'writer'), 10_000, { what: `${name} to serve a writer` })
      await until(() => answers(readerUrl, 'reader'), 10_000, { what: `${name} to serve readers` })
      return { writerUrl, readerUrl }
    },
    stop: async () => {},
  }
}
