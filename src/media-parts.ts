/** How the configuration becomes the room for files and what gives them out: a part of the composition root. */
import { readFile } from 'node:fs/promises';
import type { Router } from 'express';
import type { NetworkPart } from './bridge/bridge.ts';
import type { Config } from './config/config.ts';
import { createMediaRouter } from './http/media-router.ts';
import type { Metrics } from './http/metrics.ts';
import { createMedia, type Media, type MediaSource } from './media/media.ts';
import type { Clock, Log, Random } from './model/ambient.ts';
import { BridgeError, hasCode } from './model/errors.ts';
import { type NetworkId, networkId } from './model/ids.ts';
import type { Storage } from './storage/storage.ts';

/** The room for files, as configured. Reads the networks' certificate files. */
export async function assembleMedia(parts: {
  config: Config;
  /** What URLs of hosted files begin with. */
  mediaBase: string;
  storage: Storage;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  log: Log;
}): Promise<Media> {
  const { config, mediaBase, storage, metrics, clock, random, log } = parts;
  const { media } = config;
  const { endpoint, bucket, access_key_id, secret_access_key, region, prefix } = media.s3;
  const sources = new Map<NetworkId, MediaSource>();
  for (const [id, { media_hosts, ca_file }] of Object.entries(config.networks)) {
    const ca = ca_file === undefined ? {} : { ca: await readFile(ca_file, 'utf8') };
    sources.set(networkId(id), { hosts: media_hosts, ...ca });
  }
  const isBucket = media.store === 's3' && endpoint && bucket && access_key_id && secret_access_key;
  return createMedia({
    settings: {
      folder: media.path,
      mediaBase,
      keepMs: media.keep_days * 24 * 60 * 60_000,
      maxBytes: media.max_bytes,
      accountQuotaBytes: media.account_quota_bytes,
      totalQuotaBytes: media.total_quota_bytes,
      inspectMaxBytes: media.inspect_max_bytes,
      thumbnails: media.thumbnails,
      ...(isBucket
        ? {
            s3: {
              endpoint,
              region,
              bucket,
              prefix,
              accessKeyId: access_key_id,
              secretAccessKey: secret_access_key.reveal(),
            },
          }
        : {}),
    },
    sources,
    storage,
    metrics: metrics.media,
    clock,
    random,
    log,
  });
}

/** What gives hosted files out: to everyone, or where a network wants it so, to who shows its token. */
export function assembleMediaRouter(parts: {
  config: Config;
  media: Media;
  networks: ReadonlyMap<NetworkId, NetworkPart>;
  metrics: Metrics;
}): Router {
  const { config, media, networks, metrics } = parts;
  return createMediaRouter({
    find: async (id) => await media.findServed(id),
    read: async (file, range) => await media.readServed(file, range),
    permit: async (network, token) => {
      if (config.networks[network]?.media_token !== true) return 'allowed';
      const adapter = networks.get(networkId(network))?.adapter;
      if (token === undefined || adapter?.verifyMediaToken === undefined) return 'bad-token';
      try {
        await adapter.verifyMediaToken(token);
        return 'allowed';
      } catch (failure) {
        if (hasCode(failure, 'network/badMediaToken')) return 'bad-token';
        if (failure instanceof BridgeError) return 'unavailable';
        throw failure;
      }
    },
    metrics: metrics.media,
  });
}
