/** The one description of the configuration; everything else about it is made from this. */
import { z } from 'zod';
import { appserviceSection } from './sections/appservice.ts';
import { bridgeSection } from './sections/bridge.ts';
import { databaseSection } from './sections/database.ts';
import { encryptionSection } from './sections/encryption.ts';
import { homeserverSection } from './sections/homeserver.ts';
import { listenersSection } from './sections/listeners.ts';
import { loggingSection } from './sections/logging.ts';
import { mediaSection } from './sections/media.ts';
import { networksSection } from './sections/networks.ts';
import { operatorSection } from './sections/operator.ts';
import { publicSection } from './sections/public-endpoint.ts';

/** The whole configuration. Sections stand in the order in which an operator fills them. */
export const configSchema = z.strictObject({
  homeserver: homeserverSection,
  appservice: appserviceSection,
  listeners: listenersSection,
  public: publicSection,
  database: databaseSection,
  encryption: encryptionSection,
  operator: operatorSection,
  bridge: bridgeSection,
  media: mediaSection,
  networks: networksSection,
  logging: loggingSection,
});

/** The configuration as the parts get it: checked, defaults filled in, secrets as `Secret`, file paths absolute. */
export type Config = z.output<typeof configSchema>;
/** One network's part of it. */
export type NetworkConfig = Config['networks'][string];
/** What a person may do: `bridge.permissions`. */
export type Permission = Config['bridge']['permissions'][string];
/** What a listener can answer. */
export type ListenerResource = Config['listeners'][number]['resources'][number];
