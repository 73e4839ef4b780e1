/**
 * The logger and the record of `@std/log`.
 *
 * @module
 */
import type { BaseHandler } from "./base_handler.ts";
import { getLevelByName, getLevelName, type LevelName, type LogLevel, LogLevels } from "./levels.ts";

// deno-lint-ignore no-explicit-any
type GenericFunction = (...args: any[]) => any;
type Message<T> = (T extends GenericFunction ? never : T) | (() => T);

/** What a record is made of. */
export interface LogRecordOptions {
  msg: string;
  args: unknown[];
  level: LogLevel;
  loggerName: string;
}

/** One message with its level, time and arguments. */
export class LogRecord {
  readonly msg: string;
  readonly level: LogLevel;
  readonly levelName: LevelName;
  readonly loggerName: string;
  readonly #args: readonly unknown[];
  readonly #timeMs: number;

  constructor(options: LogRecordOptions) {
    this.msg = options.msg;
    this.level = options.level;
    this.levelName = getLevelName(options.level);
    this.loggerName = options.loggerName;
    this.#args = options.args.slice();
    this.#timeMs = Date.now();
  }

  /** The arguments behind the message, as a copy. */
  get args(): unknown[] {
    return this.#args.slice();
  }

  /** When the record was made, as a copy. */
  get datetime(): Date {
    return new Date(this.#timeMs);
  }
}

/** Options of a logger. */
export interface LoggerOptions {
  handlers?: BaseHandler[];
}

/** Gives every record of its level and above to each of its handlers. */
export class Logger {
  /** Where records go. */
  handlers: BaseHandler[];
  readonly #name: string;
  #level: LogLevel;

  constructor(loggerName: string, levelName: LevelName, options: LoggerOptions = {}) {
    this.#name = loggerName;
    this.#level = getLevelByName(levelName);
    this.handlers = options.handlers ?? [];
  }

  /** Records below this level are dropped. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    try {
      getLevelName(level);
    } catch (cause) {
      throw new TypeError(`Invalid log level: ${level}`, { cause });
    }
    this.#level = level;
  }

  /** The same, by name. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  /** Its name. */
  get loggerName(): string {
    return this.#name;
  }

  /** Logs at level DEBUG. A function is called for its message only when the level is on. */
  debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
  debug<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  debug<T>(msg: Message<T>, ...args: unknown[]): T | undefined {
    return this.#emit(LogLevels.DEBUG, msg, args);
  }

  /** Logs at level INFO; see {@linkcode debug}. */
  info<T>(msg: () => T, ...args: unknown[]): T | undefined;
  info<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  info<T>(msg: Message<T>, ...args: unknown[]): T | undefined {
    return this.#emit(LogLevels.INFO, msg, args);
  }

  /** Logs at level WARN; see {@linkcode debug}. */
  warn<T>(msg: () => T, ...args: unknown[]): T | undefined;
  warn<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  warn<T>(msg: Message<T>, ...args: unknown[]): T | undefined {
    return this.#emit(LogLevels.WARN, msg, args);
  }

  /** Logs at level ERROR; see {@linkcode debug}. */
  error<T>(msg: () => T, ...args: unknown[]): T | undefined;
  error<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  error<T>(msg: Message<T>, ...args: unknown[]): T | undefined {
    return this.#emit(LogLevels.ERROR, msg, args);
  }

  #emit<T>(level: LogLevel, msg: Message<T>, args: unknown[]): T | undefined {
    const lazy = msg instanceof Function;
    if (level < this.#level) return lazy ? undefined : msg as T;
    const value: T = lazy ? (msg as () => T)() : msg as T;
    const record = new LogRecord({ msg: textOf(value), args, level, loggerName: this.#name });
    for (const handler of this.handlers) handler.handle(record);
    return value;
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ?? String(value);
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
