/** From the neutral message to the schema's. Pure. What breaks a bound is refused, because the other side would. */
import type {
  ChatContent,
  ChatEvent,
  FormattedText,
  FormattingRange,
  MediaContent,
  MediaFile,
} from '../../model/chat-event.ts';
import type { MessageId } from '../../model/ids.ts';
import { networkErrors } from '../errors.ts';
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
} from './content-bounds.ts';
import {
  stylesWithValue,
  type WireBodies,
  type WireContent,
  type WireMedia,
  type WireRange,
  type WireText,
  wireMediaKinds,
  wireStyles,
} from './content-wire.ts';

const UINT32_MAX = 0xffff_ffff;

/** @throws BridgeError `network/badContent` when a bound is broken, or for `unsupported`, which is never sent. */
export function toWire(event: ChatEvent): WireContent {
  return {
    id: idBytes(event.id),
    sentAtMs: boundedCount(event.sentAtMs, contentBounds.sentAtMs, 'sent_at_ms'),
    expiresInS: boundedCount(event.expiresInS, UINT32_MAX, 'expires_in_s'),
    reply:
      event.reply === undefined
        ? null
        : {
            target: idBytes(event.reply.target),
            targetIsOwn: event.reply.targetIsOwn,
            excerpt: boundedText(event.reply.excerpt, contentBounds.excerpt, 'reply.excerpt'),
          },
    ...toBody(event.content),
  };
}

function toBody(content: ChatContent): Partial<WireBodies> {
  switch (content.kind) {
    case 'text':
      return { text: toText(content) };
    case 'media':
      return { media: toMedia(content) };
    case 'reaction': {
      const emoji = boundedText(content.emoji, contentBounds.emoji, 'reaction.emoji');
      demand(emoji.length > 0, 'reaction.emoji');
      const { targetIsOwn, remove } = content;
      return { reaction: { target: idBytes(content.target), targetIsOwn, emoji, remove } };
    }
    case 'edit':
      return { edit: { target: idBytes(content.target), text: toText(content) } };
    case 'revoke':
      return { revoke: { target: idBytes(content.target) } };
    case 'location':
      return {
        location: {
          latitude: degrees(content.latitude, 90, 'location.latitude'),
          longitude: degrees(content.longitude, 180, 'location.longitude'),
          name: boundedText(content.name, contentBounds.name, 'location.name'),
        },
      };
    case 'contact-card':
      return {
        contactCard: {
          displayName: boundedText(content.displayName, contentBounds.name, 'contact_card.display_name'),
          vcard: boundedText(content.vcard, contentBounds.vcard, 'contact_card.vcard'),
        },
      };
    case 'boundary-notice':
      return {
        boundaryNotice: {
          operatorName: boundedText(
            content.operatorName,
            contentBounds.name,
            'boundary_notice.operator_name',
          ),
          operatorContact: boundedText(
            content.operatorContact,
            contentBounds.name,
            'boundary_notice.operator_contact',
          ),
          mode: content.mode,
          text: boundedText(content.text, contentBounds.noticeText, 'boundary_notice.text'),
        },
      };
    case 'unsupported':
      throw networkErrors.badContent({ field: 'body', why: 'unsupported content is not sent' });
    default:
      return content satisfies never;
  }
}

function toText(text: FormattedText): WireText {
  const body = boundedText(text.body, contentBounds.body, 'text.body');
  const points = countCodePoints(body);
  demand(text.ranges.length <= contentBounds.ranges, 'text.ranges');
  return { body, ranges: text.ranges.map((range) => toRange(range, points)) };
}

function toRange(range: FormattingRange, points: number): WireRange {
  const start = boundedCount(range.start, points, 'range.start');
  const length = boundedCount(range.length, points - start, 'range.length');
  demand(length > 0, 'range.length');
  const value = boundedText(range.value, contentBounds.rangeValue, 'range.value');
  demand(value === '' || stylesWithValue.has(range.style), 'range.value');
  return { start, length, style: wireStyles.indexOf(range.style), value };
}

function toMedia(content: MediaContent): WireMedia {
  const { caption, thumbnail } = content;
  const bound = contentBounds.inlineThumbnailBytes;
  const inlineThumbnail = boundedBytes(content.inlineThumbnail, bound, 'media.inline_thumbnail');
  demand(thumbnail === undefined || inlineThumbnail.length === 0, 'media.thumbnail');
  return {
    ...toFile(content),
    caption: caption === undefined ? null : toText(caption),
    thumbnail: thumbnail === undefined ? null : toFile(thumbnail),
    inlineThumbnail,
  };
}

function toFile(file: MediaFile): WireMedia {
  demand(file.url !== '', 'media.url');
  return {
    kind: wireMediaKinds.indexOf(file.mediaKind),
    url: boundedText(file.url, contentBounds.url, 'media.url'),
    key: exactBytes(file.key, MEDIA_KEY_BYTES, 'media.key'),
    digest: exactBytes(file.digest, DIGEST_BYTES, 'media.digest'),
    size: boundedCount(file.sizeBytes, Number.MAX_SAFE_INTEGER, 'media.size'),
    mime: boundedText(file.mime, contentBounds.mime, 'media.mime'),
    fileName: boundedText(file.fileName, contentBounds.name, 'media.file_name'),
    caption: null,
    width: boundedCount(file.width, UINT32_MAX, 'media.width'),
    height: boundedCount(file.height, UINT32_MAX, 'media.height'),
    durationMs: boundedCount(file.durationMs, UINT32_MAX, 'media.duration_ms'),
    blurhash: boundedText(file.blurhash, contentBounds.blurhash, 'media.blurhash'),
    waveform: boundedBytes(file.waveform, contentBounds.waveformBytes, 'media.waveform'),
    thumbnail: null,
    inlineThumbnail: new Uint8Array(0),
  };
}

/** 32 hexadecimal characters to 16 bytes; the type has been checked where the id was made. */
function idBytes(id: MessageId): Uint8Array {
  return new Uint8Array(Buffer.from(id, 'hex'));
}
