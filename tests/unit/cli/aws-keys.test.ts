import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findAccessKey, findRegion } from '../../../src/cli/aws-keys.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-keys-'))
const credentials = join(directory, 'credentials')
const config = join(directory, 'config')
writeFileSync(
  credentials,
  `[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key=s3cret=with=signs

[work]
AWS_ACCESS_KEY_ID = ASIAWORK
aws_secret_access_key = other
aws_session_token = Fwo/GZ+==
`,
)
writeFileSync(config, `[default]\nregion = eu-west-1\n[profile work]\nregion=us-east-2\n`)
const files = { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: config }

describe('an access key', () => {
  it('comes from the environment before any file', async () => {
    const env = { ...files, AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: 'x' }
    expect(await findAccessKey(env)).toEqual({ accessKeyId: 'AKIAENV', secretAccessKey: 'x' })
  })

  it('of temporary credentials comes with its session token', async () => {
    const env = {
      ...{ AWS_ACCESS_KEY_ID: 'ASIA', AWS_SECRET_ACCESS_KEY: 'x' },
      AWS_SESSION_TOKEN: 'Fwo',
    }
    expect(await findAccessKey(env)).toMatchObject({ sessionToken: 'Fwo' })
  })

  it('comes from the default profile otherwise', async () => {
    expect(await findAccessKey(files)).toEqual({
      accessKeyId: 'AKIADEFAULT',
      secretAccessKey: 's3cret=with=signs',
    })
  })

  it('comes from the profile that is named, session token included', async () => {
    expect(await findAccessKey({ ...files, AWS_PROFILE: 'work' })).toEqual({
      ...{ accessKeyId: 'ASIAWORK', secretAccessKey: 'other', sessionToken: 'Fwo/GZ+==' },
    })
  })

  it('that is nowhere is asked for in words that say where it may be', async () => {
    await expect(findAccessKey({ HOME: directory })).rejects.toMatchObject({
      code: 'WEIR_NO_KEY',
      message: 'no access key in the environment or in profile default',
    })
  })
})

describe('a region', () => {
  it.each([
    [{ AWS_REGION: 'a', AWS_DEFAULT_REGION: 'b' }, 'a'],
    [{ AWS_DEFAULT_REGION: 'b' }, 'b'],
    [{}, 'eu-west-1'],
    [{ AWS_PROFILE: 'work' }, 'us-east-2'],
    [{ AWS_PROFILE: 'none' }, undefined],
  ])('of %j is %s', async (env, region) => {
    expect(await findRegion({ ...files, ...env })).toBe(region)
  })
})
