/**
 * A primary and a streaming replica from an official Postgres image. Rule: set up by the very
 * scripts that docker-compose.yml mounts, so those are under test as well.
 */
import { fileURLToPath } from 'node:url'
import { GenericContainer, Network, type StartedTestContainer, Wait } from 'testcontainers'

export interface Place {
  readonly host: string
  readonly port: number
}

export interface Servers {
  readonly primary: Place
  readonly replica: Place
  /** Stops the primary as a crash would: at once. */
  killPrimary(): Promise<void>
  stop(): Promise<void>
}

const script = (path: string): string =>
  fileURLToPath(new URL(`../../docker/${path}`, import.meta.url))

const ENVIRONMENT = {
  POSTGRES_USER: 'weir',
  POSTGRES_PASSWORD: 'weir',
  POSTGRES_DB: 'app',
  REPLICATION_PASSWORD: 'replicator',
  // Its usual place differs between versions; a directory beside it is the same in all.
  PGDATA: '/var/lib/postgresql/weir',
}

function postgres(image: string): GenericContainer {
  return new GenericContainer(image)
    .withEnvironment(ENVIRONMENT)
    .withExposedPorts(5432)
    .withHealthCheck({
      test: ['CMD', 'pg_isready', '--quiet', '--host=127.0.0.1', '--username=weir', '--dbname=app'],
      interval: 500,
      timeout: 2_000,
      retries: 120,
    })
    .withWaitStrategy(Wait.forHealthCheck())
}

/** @param image such as `postgres:18` */
export async function startServers(image: string): Promise<Servers> {
  const network = await new Network().start()
  const primary = await postgres(image)
    .withNetwork(network)
    .withNetworkAliases('primary')
    .withCopyFilesToContainer([
      {
        source: script('primary/replication.sh'),
        target: '/docker-entrypoint-initdb.d/replication.sh',
        mode: 0o755,
      },
    ])
    .start()
  const replica = await postgres(image)
    .withNetwork(network)
    .withUser('postgres')
    .withEnvironment({ PRIMARY_HOST: 'primary', SLOT: 'replica_1' })
    .withCopyFilesToContainer([
      { source: script('replica/replica.sh'), target: '/tmp/replica.sh', mode: 0o755 },
    ])
    .withEntrypoint(['sh', '/tmp/replica.sh'])
    .start()
  return {
    primary: placeOf(primary),
    replica: placeOf(replica),
    killPrimary: async () => {
      await primary.stop({ timeout: 0, remove: false })
    },
    stop: async () => {
      await replica.stop()
      await primary.stop()
      await network.stop()
    },
  }
}

function placeOf(container: StartedTestContainer): Place {
  return { host: container.getHost(), port: container.getMappedPort(5432) }
}
