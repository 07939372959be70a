/** Moto as an S3 server: in memory, and strict about signatures once it has been set up. */
import { join } from 'node:path';
import type { S3Settings } from '../../src/media/media.ts';
import {
  installPythonPackage,
  isEnvironmentIntact,
  pythonIn,
} from '../../src/sandbox/toolbox/python-environment.ts';
import type { Toolbox } from '../../src/sandbox/toolbox/toolbox.ts';

const MOTO_VERSION = '5.2.5';
const REGION = 'us-east-1';
const BUCKET = 'drawbridge-media';
const IAM_VERSION = '2010-05-08';
const POLICY = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };

export interface S3Server {
  /** A bucket that is there, and credentials that may use it. */
  readonly settings: S3Settings;
  stop(): Promise<void>;
}

/** @throws BridgeError `toolbox/…` */
export async function startS3Server({ toolbox, dir }: { toolbox: Toolbox; dir: string }): Promise<S3Server> {
  const installed = await toolbox.ensure({
    name: 'moto',
    version: MOTO_VERSION,
    intact: isEnvironmentIntact,
    build: async (folder) =>
      await installPythonPackage(toolbox, folder, {
        name: 'moto',
        product: 'Moto',
        requirement: `moto[server]==${MOTO_VERSION}`,
        module: 'moto.server',
      }),
  });
  const port = await toolbox.freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await toolbox.startProcess({
    name: 'moto',
    command: pythonIn(installed),
    args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    // After user, key, policy and bucket every request needs a signature that is right.
    env: { INITIAL_NO_AUTH_ACTION_COUNT: '4' },
    logFile: join(dir, 'moto.log'),
    ready: /Running on http/,
    timeoutMs: 60_000,
  });
  try {
    await iam(endpoint, { Action: 'CreateUser', UserName: 'drawbridge' });
    const key = await iam(endpoint, { Action: 'CreateAccessKey', UserName: 'drawbridge' });
    const PolicyDocument = JSON.stringify(POLICY);
    await iam(endpoint, {
      Action: 'PutUserPolicy',
      UserName: 'drawbridge',
      PolicyName: 'all',
      PolicyDocument,
    });
    await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT', headers: unsigned('s3') });
    const credentials = {
      accessKeyId: textOf(key, 'AccessKeyId'),
      secretAccessKey: textOf(key, 'SecretAccessKey'),
    };
    const settings = { endpoint, region: REGION, bucket: BUCKET, prefix: '', ...credentials };
    return { settings, stop: async () => await server.stop() };
  } catch (failure) {
    await server.stop();
    throw failure;
  }
}

async function iam(endpoint: string, action: Readonly<Record<string, string>>): Promise<string> {
  const body = new URLSearchParams({ ...action, Version: IAM_VERSION });
  return await (await fetch(endpoint, { method: 'POST', headers: unsigned('iam'), body })).text();
}

/** Tells Moto which service is meant, without being one that it would believe later. */
function unsigned(service: 'iam' | 's3') {
  const scope = `nobody/20200101/${REGION}/${service}/aws4_request`;
  return { Authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none` };
}

function textOf(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1];
  if (text === undefined) throw new TypeError(`no ${name} in ${xml}`);
  return text;
}
