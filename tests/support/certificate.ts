/** The test certificate as files, for settings that name files. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TEST_CERTIFICATE, TEST_KEY } from '../integration/test-certificate.ts'

export async function writeTestCertificate(
  directory: string,
): Promise<{ certFile: string; keyFile: string }> {
  const certFile = join(directory, 'test.crt')
  const keyFile = join(directory, 'test.key')
  await writeFile(certFile, TEST_CERTIFICATE)
  await writeFile(keyFile, TEST_KEY, { mode: 0o600 })
  return { certFile, keyFile }
}
