/** What a gatekeeper says it accepts (docs/interop-profile.md §2): in the answer to the enlistment, and about oneself. */
import { z } from 'zod';
import type { Capabilities, MediaRule, SendableKind } from '../../model/capabilities.ts';
import type { MediaKind } from '../../model/chat-event.ts';

const limit = z.int().min(1);

const mediaRule = z
  .object({
    bytes: limit.optional(),
    types: z
      .array(z.string().regex(/^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,64}$/))
      .max(64)
      .optional(),
  })
  .transform(
    ({ bytes, types }): MediaRule => ({
      ...(bytes === undefined ? {} : { bytes }),
      ...(types === undefined ? {} : { types }),
    }),
  );

/** `capabilities`, `limits` and `media` as they stand on the wire. Unknown names are passed over. */
export const capabilitiesSchema = z
  .object({
    capabilities: z.array(z.string().max(64)).max(64),
    limits: z.object({
      text_characters: limit,
      stanza_bytes: limit,
      media_bytes: limit,
      edit_seconds: limit.optional(),
      delete_seconds: limit.optional(),
      one_reaction_each: z.boolean().optional(),
    }),
    media: z.record(z.string().max(64), mediaRule).optional(),
  })
  .transform(({ capabilities, limits, media }): Capabilities => {
    const { edit_seconds, delete_seconds, one_reaction_each } = limits;
    return {
      kinds: new Set(capabilities.map((name) => name.replaceAll('_', '-')).filter(isSendable)),
      limits: {
        textCharacters: limits.text_characters,
        stanzaBytes: limits.stanza_bytes,
        mediaBytes: limits.media_bytes,
        ...(edit_seconds === undefined ? {} : { editS: edit_seconds }),
        ...(delete_seconds === undefined ? {} : { deleteS: delete_seconds }),
        ...(one_reaction_each === undefined ? {} : { oneReactionEach: one_reaction_each }),
      },
      media: Object.fromEntries(Object.entries(media ?? {}).filter(([name]) => isMediaKind(name))),
    };
  });

/** Every kind that can be sent, so that a new one in the model does not compile until it has a word here. */
const sendableKinds: Readonly<Record<Exclude<SendableKind, 'unsupported'>, true>> = {
  text: true,
  media: true,
  reaction: true,
  edit: true,
  revoke: true,
  location: true,
  'contact-card': true,
  'boundary-notice': true,
  'read-marker': true,
  typing: true,
};

const mediaKinds: Readonly<Record<MediaKind, true>> = {
  image: true,
  video: true,
  audio: true,
  voice: true,
  file: true,
};

function isSendable(name: string): name is SendableKind {
  return Object.hasOwn(sendableKinds, name);
}

function isMediaKind(name: string): name is MediaKind {
  return Object.hasOwn(mediaKinds, name);
}
