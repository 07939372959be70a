/**
 * From the schema's message to the neutral one. Pure. A field that breaks a bound spoils the message, with two
 * exceptions that keep the words: a formatting range that is unknown or does not fit in the text is left out, and a
 * kind of media that is not known is a file.
 */
import type {
  BoundaryNoticeContent,
  ChatContent,
  ChatEvent,
  FormattedText,
  FormattingRange,
  MediaContent,
  MediaFile,
} from '../../model/chat-event.ts';
import { type MessageId, messageId } from '../../model/ids.ts';
import {
  boundedBytes,
  boundedCount,
  boundedText,
  contentBounds,
  countCodePoints,
  DIGEST_BYTES,
  degrees,
  demand,
  exactBytes,
  MEDIA_KEY_BYTES,
  MESSAGE_ID_BYTES,
} from './content-bounds.ts';
import {
  type DecodedContent,
  stylesWithValue,
  type WireBodies,
  type WireMedia,
  type WireRange,
  type WireReply,
  type WireText,
  wireMediaKinds,
  wireStyles,
} from './content-wire.ts';

/**
 * A body that we do not know, also of a newer schema, becomes `unsupported`: `unknown`.
 * @throws BridgeError `network/badContent` when a bound is broken.
 */
export function fromWire(wire: DecodedContent): ChatEvent {
  return {
    id: idText(wire.id, 'id'),
    sentAtMs: boundedCount(wire.sentAtMs, contentBounds.sentAtMs, 'sent_at_ms'),
    expiresInS: wire.expiresInS,
    ...(wire.reply === null ? {} : { reply: fromReply(wire.reply) }),
    content: fromBody(wire),
  };
}

function fromReply(reply: WireReply): NonNullable<ChatEvent['reply']> {
  return {
    target: idText(reply.target, 'reply.target'),
    targetIsOwn: reply.targetIsOwn,
    excerpt: boundedText(reply.excerpt, contentBounds.excerpt, 'reply.excerpt'),
  };
}

type BodyReaders = {
  readonly [Name in keyof WireBodies]: (body: WireBodies[Name]) => ChatContent;
};

const readers: BodyReaders = {
  text: (text) => ({ kind: 'text', ...fromText(text) }),
  media: fromMedia,
  reaction: ({ target, targetIsOwn, emoji, remove }) => {
    demand(emoji !== '', 'reaction.emoji');
    return {
      kind: 'reaction',
      target: idText(target, 'reaction.target'),
      targetIsOwn,
      emoji: boundedText(emoji, contentBounds.emoji, 'reaction.emoji'),
      remove,
    };
  },
  edit: ({ target, text }) => {
    demand(text !== null, 'edit.text');
    return { kind: 'edit', target: idText(target, 'edit.target'), ...fromText(text) };
  },
  revoke: ({ target }) => ({ kind: 'revoke', target: idText(target, 'revoke.target') }),
  location: ({ latitude, longitude, name }) => ({
    kind: 'location',
    latitude: degrees(latitude, 90, 'location.latitude'),
    longitude: degrees(longitude, 180, 'location.longitude'),
    name: boundedText(name, contentBounds.name, 'location.name'),
  }),
  contactCard: ({ displayName, vcard }) => ({
    kind: 'contact-card',
    displayName: boundedText(displayName, contentBounds.name, 'contact_card.display_name'),
    vcard: boundedText(vcard, contentBounds.vcard, 'contact_card.vcard'),
  }),
  boundaryNotice: fromNotice,
};

function fromBody(wire: DecodedContent): ChatContent {
  if (wire.body === undefined) return { kind: 'unsupported', what: 'unknown' };
  return readBody(wire, wire.body);
}

function readBody<Name extends keyof WireBodies>(wire: DecodedContent, name: Name): ChatContent {
  const body: Partial<WireBodies>[Name] = wire[name];
  demand(body !== undefined, 'body');
  return readers[name](body);
}

function fromNotice(notice: WireBodies['boundaryNotice']): ChatContent {
  const mode = noticeMode(notice.mode);
  if (mode === undefined) return { kind: 'unsupported', what: 'boundary-notice' };
  return {
    kind: 'boundary-notice',
    operatorName: boundedText(notice.operatorName, contentBounds.name, 'boundary_notice.operator_name'),
    operatorContact: boundedText(
      notice.operatorContact,
      contentBounds.name,
      'boundary_notice.operator_contact',
    ),
    mode,
    text: boundedText(notice.text, contentBounds.noticeText, 'boundary_notice.text'),
  };
}

function noticeMode(mode: string): BoundaryNoticeContent['mode'] | undefined {
  return mode === 'own-endpoint' || mode === 'provider' ? mode : undefined;
}

function fromText(text: WireText): FormattedText {
  const body = boundedText(text.body, contentBounds.body, 'text.body');
  demand(text.ranges.length <= contentBounds.ranges, 'text.ranges');
  const points = countCodePoints(body);
  return { body, ranges: text.ranges.flatMap((range) => fromRange(range, points)) };
}

/** An empty list when the range is to be left out. */
function fromRange({ start, length, style: number, value }: WireRange, points: number): FormattingRange[] {
  const style = wireStyles[number];
  const fits = length > 0 && start + length <= points && value.length <= contentBounds.rangeValue;
  if (style === undefined || !fits) return [];
  return [{ start, length, style, value: stylesWithValue.has(style) ? value : '' }];
}

function fromMedia(media: WireMedia): MediaContent {
  const { caption, thumbnail } = media;
  const bound = contentBounds.inlineThumbnailBytes;
  const inlineThumbnail = boundedBytes(media.inlineThumbnail, bound, 'media.inline_thumbnail');
  // One preview, and none of the preview: the schema could nest without end.
  demand(thumbnail === null || inlineThumbnail.length === 0, 'media.thumbnail');
  demand(thumbnail === null || thumbnail.thumbnail === null, 'media.thumbnail');
  return {
    kind: 'media',
    ...fromFile(media),
    ...(caption === null ? {} : { caption: fromText(caption) }),
    ...(thumbnail === null ? {} : { thumbnail: fromFile(thumbnail) }),
    inlineThumbnail,
  };
}

function fromFile(media: WireMedia): MediaFile {
  demand(media.url !== '', 'media.url');
  return {
    mediaKind: wireMediaKinds[media.kind] ?? 'file',
    url: boundedText(media.url, contentBounds.url, 'media.url'),
    key: exactBytes(media.key, MEDIA_KEY_BYTES, 'media.key'),
    digest: exactBytes(media.digest, DIGEST_BYTES, 'media.digest'),
    sizeBytes: boundedCount(media.size, Number.MAX_SAFE_INTEGER, 'media.size'),
    mime: boundedText(media.mime, contentBounds.mime, 'media.mime'),
    fileName: boundedText(media.fileName, contentBounds.name, 'media.file_name'),
    width: media.width,
    height: media.height,
    durationMs: media.durationMs,
    blurhash: boundedText(media.blurhash, contentBounds.blurhash, 'media.blurhash'),
    waveform: boundedBytes(media.waveform, contentBounds.waveformBytes, 'media.waveform'),
  };
}

function idText(bytes: Uint8Array, field: string): MessageId {
  demand(bytes.length === MESSAGE_ID_BYTES, field);
  return messageId(Buffer.from(bytes).toString('hex'));
}
