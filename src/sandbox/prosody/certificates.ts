/**
 * A private certificate authority for the sandbox and one certificate for its XMPP domain. Node makes the keys;
 * `openssl` makes the X.509, which Node cannot.
 *
 * Files in `dir`: `ca.pem`, `ca.key`, `server.pem`, `server.key`. They are kept over restarts, so that a bridge which
 * was told to trust `ca.pem` need not be told again.
 */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { toolboxErrors } from '../toolbox/errors.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';

export interface Certificates {
  /** PEM file of the authority: what clients trust. */
  readonly caFile: string;
  /** PEM file of the certificate for the domain. */
  readonly certificateFile: string;
  /** PEM file of its private key. */
  readonly keyFile: string;
}

const dayMs = 86_400_000;
const installOpenssl =
  'The sandbox makes its TLS certificate with openssl. Install it: Debian: apt-get install openssl; ' +
  'Fedora: dnf install openssl; macOS: brew install openssl.';

/**
 * Makes what is missing, expired within a day, or made for another domain.
 * @param names the XMPP domain first, then further DNS names the certificate shall stand for.
 * @throws BridgeError `toolbox/missing` without an `openssl`, `toolbox/commandFailed`.
 */
export async function makeCertificates(options: {
  readonly toolbox: Pick<Toolbox, 'run' | 'findCommand'>;
  readonly dir: string;
  readonly names: readonly [string, ...string[]];
  readonly nowMs: number;
}): Promise<Certificates> {
  const { toolbox, dir, names, nowMs } = options;
  const files: Certificates = {
    caFile: join(dir, 'ca.pem'),
    certificateFile: join(dir, 'server.pem'),
    keyFile: join(dir, 'server.key'),
  };
  if (await isUsable(files, names, nowMs)) return files;

  const command = await toolbox.findCommand('openssl', ['/opt/homebrew/bin', '/usr/local/bin']);
  if (command === undefined) throw toolboxErrors.missing({ what: 'openssl', install: installOpenssl });
  const openssl = (...args: readonly (readonly string[])[]) =>
    toolbox.run(command, args.flat(), { timeoutMs: 30_000 });

  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = join(dir, 'openssl.cnf');
  const request = join(dir, 'server.csr');
  const caKey = join(dir, 'ca.key');
  await writeFile(config, opensslConfig(names));
  await writePrivateKey(caKey);
  await writePrivateKey(files.keyFile);
  await openssl(
    ['req', '-x509', '-new', '-sha256', '-days', '3650', '-config', config, '-extensions', 'authority'],
    ['-subj', '/CN=Drawbridge sandbox authority', '-key', caKey, '-out', files.caFile],
  );
  await openssl(
    ['req', '-new', '-sha256', '-config', config],
    ['-subj', `/CN=${names[0]}`, '-key', files.keyFile, '-out', request],
  );
  await openssl(
    ['x509', '-req', '-sha256', '-days', '820', '-in', request, '-extfile', config, '-extensions', 'server'],
    ['-CA', files.caFile, '-CAkey', caKey, '-CAcreateserial', '-out', files.certificateFile],
  );
  return files;
}

async function isUsable(files: Certificates, names: readonly string[], nowMs: number): Promise<boolean> {
  const all = [files.caFile, files.certificateFile, files.keyFile];
  if (!all.every((file) => existsSync(file))) return false;
  const authority = new X509Certificate(await readFile(files.caFile));
  const server = new X509Certificate(await readFile(files.certificateFile));
  return (
    server.checkIssued(authority) &&
    server.verify(authority.publicKey) &&
    names.every((name) => server.checkHost(name) !== undefined) &&
    [authority, server].every((certificate) => Date.parse(certificate.validTo) > nowMs + dayMs)
  );
}

/** Strict verifiers ask for key usage, key identifiers and the server purpose; a configuration of our own gives them. */
function opensslConfig(names: readonly string[]): string {
  return [
    '[req]',
    'distinguished_name = subject',
    'prompt = no',
    '[subject]',
    'CN = sandbox',
    '[authority]',
    'basicConstraints = critical, CA:TRUE, pathlen:0',
    'keyUsage = critical, keyCertSign, cRLSign',
    'subjectKeyIdentifier = hash',
    '[server]',
    'basicConstraints = critical, CA:FALSE',
    'keyUsage = critical, digitalSignature',
    'extendedKeyUsage = serverAuth',
    'subjectKeyIdentifier = hash',
    'authorityKeyIdentifier = keyid',
    `subjectAltName = ${names.map((name) => `DNS:${name}`).join(', ')}`,
    '',
  ].join('\n');
}

async function writePrivateKey(file: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}
