/** The parts of the core, put together as `createBridge` does, for tests that step them one by one. */
import { BotChat } from '../../../../src/bridge/bot-chat.ts';
import { BotNotices } from '../../../../src/bridge/bot-notices.ts';
import { Consent } from '../../../../src/bridge/consent.ts';
import { Disappearing } from '../../../../src/bridge/disappearing.ts';
import { Enlistments } from '../../../../src/bridge/enlistments.ts';
import { FateReports } from '../../../../src/bridge/fate-reports.ts';
import { GhostProfiles } from '../../../../src/bridge/ghost-profiles.ts';
import { Inbound } from '../../../../src/bridge/inbound.ts';
import { InboundNotes } from '../../../../src/bridge/inbound-notes.ts';
import { InboxBacklog } from '../../../../src/bridge/inbox-backlog.ts';
import { LateMessages } from '../../../../src/bridge/late-messages.ts';
import { Links } from '../../../../src/bridge/links.ts';
import { LoginRefusals } from '../../../../src/bridge/login-refusals.ts';
import { MatrixLane } from '../../../../src/bridge/matrix-lane.ts';
import { MissingMessages } from '../../../../src/bridge/missing-messages.ts';
import { NetworkLane } from '../../../../src/bridge/network-lane.ts';
import { Notices } from '../../../../src/bridge/notices.ts';
import { Outbound } from '../../../../src/bridge/outbound.ts';
import type { BridgeParts } from '../../../../src/bridge/parts.ts';
import { PortalRooms } from '../../../../src/bridge/portal-rooms.ts';
import { PrekeyKeeper } from '../../../../src/bridge/prekey-keeper.ts';
import { ReadMarks } from '../../../../src/bridge/read-marks.ts';
import { Requeue } from '../../../../src/bridge/requeue.ts';
import { RetryRequests } from '../../../../src/bridge/retry-requests.ts';
import { RoomWriter } from '../../../../src/bridge/room-writer.ts';
import { Typing } from '../../../../src/bridge/typing.ts';
import { UserChoices } from '../../../../src/bridge/user-choices.ts';
import type { BridgeWorld } from './bridge-world.ts';

/**
 * A core of a process that has just been started. The lanes of rooms and contacts are stepped by the test; what goes on
 * beside them (enlistments, prekeys, what people are told) runs once `begin` has taken up what a former run left.
 */
export function coreParts(world: BridgeWorld, parts: BridgeParts = world.parts) {
  /** Senders whose lanes a command woke. */
  const wokenInbound: string[] = [];
  const backlog = new InboxBacklog({
    limitsOf: (network) => parts.networks.get(network)?.inboxLimits,
    log: parts.log,
  });
  const links = new Links(parts, backlog);
  const notices = new Notices(parts);
  const botNotices = new BotNotices(parts, notices);
  const fates = new FateReports(parts, notices);
  const portals = new PortalRooms(parts, new GhostProfiles(parts));
  const prekeys = new PrekeyKeeper(parts, links);
  const enlistments = new Enlistments(parts, links, botNotices);
  const refusals = new LoginRefusals(parts, links, enlistments, botNotices);
  const consent = new Consent(parts, enlistments);
  const notes = new InboundNotes(parts, portals, notices, fates);
  const missing = new MissingMessages(parts, links, portals);
  const retryRequests = new RetryRequests(parts, links);
  const wakeInbound = (_account: object, sender: string) => void wokenInbound.push(sender);
  const choices = new UserChoices(parts);
  const disappearing = new Disappearing(parts, notices);
  const readMarks = new ReadMarks(parts, choices);
  const typing = new Typing(parts, links, choices);
  const inbound = new Inbound({
    parts,
    links,
    portals,
    notes,
    prekeys,
    missing,
    retryRequests,
    readMarks,
    writer: new RoomWriter(parts, portals, new AbortController().signal),
    disappearing,
  });
  const late = new LateMessages(parts, links, fates);
  const outbound = new Outbound({ parts, links, late, disappearing, signal: new AbortController().signal });
  const wokenRooms: string[] = [];
  const wakeRoom = (_account: object, room: string) => void wokenRooms.push(room);
  const requeue = new Requeue({ parts, links, outbound, fates, wakeRoom });
  const chat = new BotChat({ parts, consent, links, notices, portals, choices, requeue, wakeInbound });
  const core = {
    links,
    backlog,
    portals,
    prekeys,
    enlistments,
    notes,
    typing,
    choices,
    disappearing,
    wokenInbound,
    wokenRooms,
    botNotices,
    fates,
    late,
    missing,
    refusals,
    requeue,
    retryRequests,
    outbound,
    matrixLane: new MatrixLane({ parts, outbound, chat, notices, fates }),
    networkLane: new NetworkLane({ parts, backlog, inbound, notices, botNotices }),
    begin: async () => {
      await fates.start();
      await botNotices.start();
    },
    stop: async () => {
      await Promise.all([
        fates.stop(),
        botNotices.stop(),
        enlistments.stop(),
        prekeys.stop(),
        late.stop(),
        refusals.stop(),
      ]);
    },
  };
  enlistments.start();
  prekeys.start();
  late.start();
  refusals.start();
  world.cores.add(core);
  return core;
}

export type CoreParts = ReturnType<typeof coreParts>;
