/** Runs the sandbox's XMPP server: Prosody on 127.0.0.1, direct TLS only, with the gatekeeper's modules. */
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

import type { Clock, Random } from '../../model/ambient.ts';
import type { RunningProcess, Toolbox } from '../toolbox/toolbox.ts';
import { ProsodyAdmin } from './admin.ts';
import { makeCertificates } from './certificates.ts';
import { type ProsodyPorts, prosodyConfig } from './config.ts';
import { installProsody } from './install.ts';

export interface ProsodyOptions {
  readonly toolbox: Toolbox;
  readonly clock: Clock;
  readonly random: Random;
  /** Holds configuration, data, certificates and log; kept over restarts. */
  readonly dir: string;
  /** The XMPP domain; the keys service is `keys.{domain}`. Not looked up in DNS. */
  readonly domain: string;
  /** Chosen anew at each start where absent. */
  readonly ports?: Partial<ProsodyPorts>;
  /** Base URL of the gatekeeper process's internal listener, which judges logins. */
  readonly authorityUrl: string;
  /** Shared by Prosody and the gatekeeper process, both ways. */
  readonly adminSecret: string;
}

export interface Prosody {
  readonly domain: string;
  /** An address, never a name: connect here, and check the certificate against `domain`. */
  readonly c2sHost: string;
  readonly c2sDirectTlsPort: number;
  readonly componentPort: number;
  readonly componentSecret: string;
  /** PEM file of the authority that signed the server's certificate. */
  readonly caFile: string;
  readonly admin: ProsodyAdmin;
  /** Ends it in order; sessions are told. */
  stop(): Promise<void>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it on the same ports and data. */
  restart(): Promise<void>;
}

const host = '127.0.0.1';

/**
 * Installs Prosody if need be, and starts it; resolves when it accepts connections.
 * @throws BridgeError `toolbox/*`.
 */
export async function startProsody(options: ProsodyOptions): Promise<Prosody> {
  const { toolbox, clock, random, dir, domain } = options;
  const installation = await installProsody(toolbox);
  const certificates = await makeCertificates({
    toolbox,
    dir: join(dir, 'certs'),
    names: [domain, `keys.${domain}`],
    nowMs: clock.nowMs(),
  });
  const ports: ProsodyPorts = {
    c2sDirectTls: options.ports?.c2sDirectTls ?? (await toolbox.freePort()),
    component: options.ports?.component ?? (await toolbox.freePort()),
    http: options.ports?.http ?? (await toolbox.freePort()),
  };
  const componentSecret = random.bytes(24).toString('base64url');
  const configFile = join(dir, 'prosody.cfg.lua');
  const dataDir = join(dir, 'data');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const config = prosodyConfig({
    domain,
    moduleDir: join(import.meta.dirname, 'modules'),
    dataDir,
    certificateFile: certificates.certificateFile,
    keyFile: certificates.keyFile,
    ports,
    componentSecret,
    adminSecret: options.adminSecret,
    authorityUrl: options.authorityUrl,
    asRoot: process.getuid?.() === 0,
  });
  await writeFile(configFile, config, { mode: 0o600 });

  const start = (): Promise<RunningProcess> =>
    toolbox.startProcess({
      name: 'prosody',
      command: installation.command,
      args: [...installation.args, '--config', configFile, '-F'],
      env: installation.env,
      cwd: dir,
      logFile: join(dir, 'prosody.log'),
      ready: async () =>
        (await accepts(ports.c2sDirectTls)) && (await accepts(ports.component)) && accepts(ports.http),
      timeoutMs: 20_000,
    });
  let running = await start();
  return {
    domain,
    c2sHost: host,
    c2sDirectTlsPort: ports.c2sDirectTls,
    componentPort: ports.component,
    componentSecret,
    caFile: certificates.caFile,
    admin: new ProsodyAdmin({ port: ports.http, secret: options.adminSecret }),
    stop: () => running.stop(),
    kill: () => running.kill(),
    restart: async () => {
      await running.stop();
      running = await start();
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false)); // not yet
  });
}
