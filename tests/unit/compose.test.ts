import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadSettings } from '../../src/config/load.ts'
import { CATALOGUE, PROCESS_METRICS } from '../../src/metrics/catalogue.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string): string => readFileSync(root + path, 'utf8')

interface Service {
  image?: string
  build?: string
  hostname?: string
  user?: string
  entrypoint?: string[]
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  depends_on?: string[] | Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  read_only?: boolean
  tmpfs?: string[]
  cap_drop?: string[]
  cap_add?: string[]
  privileged?: boolean
  security_opt?: string[]
}

const compose: { services: Record<string, Service>; volumes: Record<string, null> } = parse(
  read('docker-compose.yml'),
  { merge: true },
)
const services = Object.entries(compose.services)
const service = (name: string): Service => {
  const found = compose.services[name]
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return found
}
const weir = loadSettings({ file: `${root}config/compose.yaml`, env: {} }).settings

describe('docker-compose.yml', () => {
  test('has a primary, two replicas, Weir, Prometheus and Grafana', () => {
    const names = services.map(([name]) => name)
    expect(names.sort()).toEqual(
      ['grafana', 'primary', 'prometheus', 'replica-1', 'replica-2', 'weir'].sort(),
    )
  })

  test('takes every image with a version, the Postgres ones alike', () => {
    for (const [name, { image, build }] of services) {
      if (name === 'weir') expect(build).toBe('.')
      else expect(image, name).toMatch(/^[a-z/]+:v?\d+/)
    }
    const postgres = ['primary', 'replica-1', 'replica-2'].map((name) => service(name).image)
    expect(new Set(postgres).size).toBe(1)
  })

  test('publishes ports on loopback only, each once', () => {
    const ports = services.flatMap(([, { ports = [] }]) => ports)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/)
    expect(new Set(ports).size).toBe(ports.length)
  })

  test('mounts only files that exist and volumes that are declared', () => {
    const used = new Set<string>()
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = '', target = '', mode] = volume.split(':')
        expect(target, `${name} ${volume}`).toMatch(/^\//)
        if (source.startsWith('./')) {
          expect(existsSync(root + source), `${name} mounts ${source}`).toBe(true)
          expect(mode, 'our files are not for the container to change').toBe('ro')
        } else {
          used.add(source)
        }
      }
    }
    expect([...used].sort()).toEqual(Object.keys(compose.volumes).sort())
  })

  test('waits only for services that exist, and for health only where it is checked', () => {
    for (const [name, { depends_on: needs = [] }] of services) {
      const entries = Array.isArray(needs) ? needs.map((n) => [n, undefined] as const) : []
      const conditions = Array.isArray(needs) ? entries : Object.entries(needs)
      for (const [other, how] of conditions) {
        expect(compose.services, name).toHaveProperty([other])
        if (how?.condition === 'service_healthy') expect(service(other).healthcheck).toBeDefined()
      }
    }
  })

  test('gives each replica a slot of its own that the primary makes, and one password', () => {
    const made = [...read('docker/primary/replication.sh').matchAll(/slot\('(\w+)'/g)]
    const slots = ['replica-1', 'replica-2'].map((name) => service(name).environment?.SLOT)
    expect(slots).toEqual(made.map((match) => match[1]))
    const passwords = ['primary', 'replica-1', 'replica-2'].map(
      (name) => service(name).environment?.REPLICATION_PASSWORD,
    )
    expect(new Set(passwords)).toEqual(new Set(['replicator']))
  })
})

describe('Weir in docker-compose.yml', () => {
  test('stands in front of exactly the Postgres services', () => {
    const postgres = services.filter(([, { image }]) => image?.startsWith('postgres:'))
    expect(weir.nodes.map((n) => n.host).sort()).toEqual(postgres.map(([name]) => name).sort())
    for (const node of weir.nodes) expect(node.port).toBe(5432)
  })

  test('publishes exactly the ports its configuration listens on', () => {
    const listening = [...weir.endpoints.map((e) => e.port), weir.admin.port]
    const published = service('weir').ports?.map((port) => Number(port.split(':').at(-1)))
    expect(published?.sort()).toEqual(listening.sort())
  })

  test('can write nothing but temporary files, and gain no rights', () => {
    const { read_only, tmpfs, cap_drop, cap_add, privileged, security_opt, user } = service('weir')
    expect({ read_only, tmpfs, cap_drop, security_opt }).toEqual({
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    expect([cap_add, privileged, user]).toEqual([undefined, undefined, undefined])
    // Where it says so the log goes to a file; here it goes to whoever runs the container.
    expect(weir.audit.to).not.toBe('file')
  })

  test('is scraped under a name that admin answers to', () => {
    const config = parse(read('docker/prometheus/prometheus.yml'))
    const targets = config.scrape_configs.flatMap(
      (job: { static_configs: { targets: string[] }[] }) =>
        job.static_configs.flatMap((s) => s.targets),
    )
    expect(targets).toEqual([`${service('weir').hostname}:${weir.admin.port}`])
  })
})

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').split('\n')
  const copied = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap((line) => line.split(/\s+/).slice(1, -1))

  test('copies only what exists and what .dockerignore lets in', () => {
    const letIn = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    for (const path of copied) {
      expect(existsSync(root + path), path).toBe(true)
      expect(
        letIn.some((entry) => path === entry || path.startsWith(`${entry}/`)),
        path,
      ).toBe(true)
    }
  })

  test('copies everything the build reads', () => {
    const { include } = JSON.parse(read('tsconfig.build.json'))
    for (const path of ['package.json', 'package-lock.json', 'tsconfig.json', ...include]) {
      expect(copied, path).toContain(path)
    }
  })

  test('does not run as root', () => {
    const users = lines.filter((line) => line.startsWith('USER '))
    expect(users).toEqual(['USER node'])
    // What is copied belongs to root, so that this user cannot change what it runs.
    expect(lines.filter((line) => line.includes('--chown') || /chmod|chown/.test(line))).toEqual([])
    const last = lines.findLastIndex((line) => /^(COPY|RUN|ADD) /.test(line))
    expect(lines.indexOf('USER node')).toBeGreaterThan(last)
  })

  test('takes dependencies as they are locked, and fetches nothing else', () => {
    const runs = lines.filter((line) => /^(RUN|ADD) /.test(line))
    for (const run of runs) expect(run).not.toMatch(/curl|wget|npm install|https?:|^ADD/)
    expect(runs.some((run) => run.includes('npm ci'))).toBe(true)
  })

  test('starts with the configuration that docker-compose.yml mounts', () => {
    const [, file = ''] = /"--config", "([^"]+)"/.exec(read('Dockerfile')) ?? []
    expect(service('weir').volumes).toContain(`./${file}:/weir/${file}:ro`)
    expect(statSync(root + file).isFile()).toBe(true)
  })
})

describe('the Grafana dashboard', () => {
  const dashboard = JSON.parse(read('docker/grafana/dashboards/weir.json'))
  const panels: {
    id: number
    title: string
    type: string
    gridPos: { x: number; y: number; w: number; h: number }
    targets?: { expr: string; legendFormat: string; datasource: { uid: string } }[]
  }[] = dashboard.panels
  const targets = panels.flatMap((panel) => panel.targets ?? [])

  test('asks only for metrics that exist', () => {
    const known = new Set<string>(PROCESS_METRICS.map((m) => m.name))
    for (const { name, type } of CATALOGUE)
      known.add(type === 'histogram' ? `${name}_bucket` : name)
    for (const { expr } of targets) {
      const names = expr.match(/\b(?:weir|process|nodejs)_\w+/g) ?? []
      expect(names.length, expr).toBeGreaterThan(0)
      for (const name of names) expect(known, expr).toContain(name)
    }
  })

  test('asks only for labels that those metrics have', () => {
    for (const { expr, legendFormat } of targets) {
      const rows = CATALOGUE.filter(({ name }) =>
        new RegExp(`\\b${name}(?:_bucket)?\\b`).test(expr),
      )
      const labels = new Set(['le', 'job', ...rows.flatMap((row) => row.labels)])
      const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((m) => m[1]?.split(', ') ?? [])
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1])
      const filtered = [...expr.matchAll(/(\w+)="/g)].map((m) => m[1])
      for (const label of [...grouped, ...shown, ...filtered]) {
        expect([...labels], `${expr} ${legendFormat}`).toContain(label)
      }
    }
  })

  test('reads from the data source that is provisioned, in a folder that is mounted', () => {
    const provisioned = parse(read('docker/grafana/provisioning/datasources/prometheus.yml'))
    const [source] = provisioned.datasources
    for (const target of targets) expect(target.datasource.uid).toBe(source.uid)
    expect(source.url).toBe('http://prometheus:9090')
    const { providers } = parse(read('docker/grafana/provisioning/dashboards/weir.yml'))
    expect(service('grafana').volumes).toContain(
      `./docker/grafana/dashboards:${providers[0].options.path}:ro`,
    )
  })

  test('lays its panels side by side without one over another', () => {
    const taken = new Map<string, string>()
    expect(new Set(panels.map((p) => p.id)).size).toBe(panels.length)
    for (const { title, gridPos: at } of panels) {
      expect(at.x + at.w, title).toBeLessThanOrEqual(24)
      for (let x = at.x; x < at.x + at.w; x++) {
        for (let y = at.y; y < at.y + at.h; y++) {
          expect(taken.get(`${x} ${y}`), title).toBeUndefined()
          taken.set(`${x} ${y}`, title)
        }
      }
    }
  })
})
