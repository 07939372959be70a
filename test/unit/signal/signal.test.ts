import { signalSuite } from '../../suites/signal.ts';
import { sqliteFile } from './sqlite-file.ts';

signalSuite('SQLite', sqliteFile);
