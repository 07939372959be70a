/**
 * What becomes of each kind of thing between the two sides, in one place: the rules that `outbound-content.ts` follows, the
 * command `features`, and the state event by which clients hide what would be refused are told from here.
 */
import type { SendableKind } from '../model/capabilities.ts';
import type { MediaKind } from '../model/chat-event.ts';
import type { Enlistment } from '../storage/storage.ts';

/** What people do in a chat. */
export type Feature =
  | 'text'
  | 'formatting'
  | 'reply'
  | 'edit'
  | 'reaction'
  | 'delete'
  | MediaKind
  | 'sticker'
  | 'location'
  | 'contact-card'
  | 'read-marker'
  | 'typing'
  | 'disappearing'
  | 'poll'
  | 'call';

/** `degrade`: it arrives as something less. */
export type Verdict = 'pass' | 'degrade' | 'refuse';

/** What a feature needs of the network, and what becomes of it without; `undefined`: no network has it, or the bridge cannot. */
const NEEDS: Readonly<Record<Feature, Readonly<{ kind: SendableKind; without: Verdict }> | undefined>> = {
  text: { kind: 'text', without: 'refuse' },
  formatting: { kind: 'text', without: 'refuse' },
  reply: { kind: 'text', without: 'refuse' },
  edit: { kind: 'edit', without: 'degrade' },
  reaction: { kind: 'reaction', without: 'refuse' },
  delete: { kind: 'revoke', without: 'refuse' },
  image: { kind: 'media', without: 'refuse' },
  video: { kind: 'media', without: 'refuse' },
  audio: { kind: 'media', without: 'refuse' },
  voice: { kind: 'media', without: 'refuse' },
  file: { kind: 'media', without: 'refuse' },
  sticker: { kind: 'media', without: 'refuse' },
  location: { kind: 'location', without: 'degrade' },
  'contact-card': { kind: 'media', without: 'refuse' },
  'read-marker': { kind: 'read-marker', without: 'refuse' },
  typing: { kind: 'typing', without: 'refuse' },
  disappearing: { kind: 'text', without: 'refuse' },
  poll: undefined,
  call: undefined,
};

/** A sticker arrives as an image, a contact card as a file, whatever the network takes. */
const ALWAYS_DEGRADED: ReadonlySet<Feature> = new Set(['sticker', 'contact-card']);

export const FEATURES = Object.keys(NEEDS) as readonly Feature[];

/** What becomes of a thing of this kind that the user sends. */
export function verdictOf(feature: Feature, { capabilities }: Pick<Enlistment, 'capabilities'>): Verdict {
  const need = NEEDS[feature];
  if (need === undefined) return 'refuse';
  if (!capabilities.includes(need.kind)) return need.without;
  return ALWAYS_DEGRADED.has(feature) ? 'degrade' : 'pass';
}

const LEVELS: Readonly<Record<Verdict, number>> = { pass: 2, degrade: 1, refuse: -2 };
const FILES = [
  ['m.image', 'image'],
  ['m.video', 'video'],
  ['m.audio', 'audio'],
  ['org.matrix.msc3245.voice', 'voice'],
  ['m.file', 'file'],
  ['m.sticker', 'sticker'],
] as const satisfies readonly (readonly [string, Feature])[];
const FORMATTED = [
  'bold',
  'italic',
  'strikethrough',
  'inline_code',
  'code_block',
  'code_block.syntax_highlighting',
  'blockquote',
  'inline_link',
  'user_link',
  'unordered_list',
  'ordered_list',
];

/** Content of `com.beeper.room_features`: a level for each thing, 2 (whole) to -2 (refused), ages in seconds, sizes in bytes. */
export function roomFeatures(enlistment: Enlistment): Record<string, unknown> {
  const { limits, media } = enlistment;
  const level = (feature: Feature) => LEVELS[verdictOf(feature, enlistment)];
  const file = ([type, feature]: (typeof FILES)[number]) => {
    const rule = feature === 'sticker' ? media?.image : media?.[feature];
    const types = rule?.types ?? ['*/*'];
    return [
      type,
      {
        mime_types: Object.fromEntries(types.map((mime) => [mime, level(feature)])),
        caption: level(feature),
        max_size: Math.min(limits.mediaBytes, rule?.bytes ?? Number.POSITIVE_INFINITY),
      },
    ] as const;
  };
  return {
    id: 'org.drawbridge.1',
    formatting: Object.fromEntries(FORMATTED.map((name) => [name, level('formatting')])),
    file: Object.fromEntries(FILES.map(file)),
    max_text_length: limits.textCharacters,
    location_message: level('location'),
    poll: level('poll'),
    reply: level('reply'),
    thread: -2,
    edit: level('edit'),
    ...(limits.editS === undefined ? {} : { edit_max_age: limits.editS }),
    delete: level('delete'),
    ...(limits.deleteS === undefined ? {} : { delete_max_age: limits.deleteS }),
    reaction: level('reaction'),
    ...(limits.oneReactionEach === true ? { reaction_count: 1 } : {}),
    read_receipts: verdictOf('read-marker', enlistment) === 'pass',
    typing_notifications: verdictOf('typing', enlistment) === 'pass',
  };
}
