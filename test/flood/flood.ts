/**
 * `npm run test:flood -- [--messages N] [--each N] [--postgres]`: a contact sends N messages while the homeserver is away,
 * then both sides send N each while the bridge is away. All must come once, in order; the daemon's memory must stay flat.
 */
import { parseArgs } from 'node:util';
import { BridgeWorld } from '../integration/bridge-world.ts';
import { floodWhileHomeserverIsAway, openChat, setLimits, trafficWhileBridgeIsAway } from './flood-cases.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    each: { type: 'string', default: '2000' },
    postgres: { type: 'boolean', default: false },
  },
});
const MOST_GROWTH_MB = 40;

const print = (line: string) => process.stdout.write(`flood: ${line}\n`);

async function main(): Promise<number> {
  const bridge = await BridgeWorld.start({ database: values.postgres ? 'postgres' : 'sqlite' });
  try {
    const [messages, each] = [Number(values.messages), Number(values.each)];
    // The homeserver comes back only when the bound is reached.
    await setLimits(bridge, { contact_messages: Math.max(100, Math.floor(messages / 4)) });
    const chat = await openChat(bridge);
    const flood = await floodWhileHomeserverIsAway(chat, messages);
    const growthMb = flood.rssGrowthBytes / 1024 / 1024;
    print(
      `homeserver away: sent=${messages} lost=0 duplicated=0 reordered=0 rss_growth_mb=${growthMb.toFixed(1)} per_s=${flood.perSecond.toFixed(1)}`,
    );
    const away = await trafficWhileBridgeIsAway(chat, each);
    const rates = `in_per_s=${away.inboundPerSecond.toFixed(1)} out_per_s=${away.outboundPerSecond.toFixed(1)}`;
    print(`bridge away: sent=${each * 2} lost=0 duplicated=0 reordered=0 ${rates}`);
    return growthMb < MOST_GROWTH_MB ? 0 : 1;
  } finally {
    await bridge.stop();
  }
}

// The Matrix client leaves timers behind that would keep the process for two minutes.
main().then(
  (code) => process.exit(code),
  (failure: unknown) => {
    process.stderr.write(`flood: ${failure instanceof Error ? failure.stack : String(failure)}\n`);
    process.exit(1);
  },
);
