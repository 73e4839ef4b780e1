/**
 * Base class of the handlers of `@std/log`: filters by level, formats, and hands the text to `log`.
 *
 * @module
 */
import { getLevelByName, getLevelName, type LevelName, type LogLevel } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** Makes the text of a record. */
export type FormatterFunction = (logRecord: LogRecord) => string;

/** Options of a handler. */
export interface BaseHandlerOptions {
  /** Makes the text; the default is the level and the message. */
  formatter?: FormatterFunction;
}

/** A place that log records go to. */
export abstract class BaseHandler {
  #level: LogLevel;
  /** Makes the text of a record. */
  formatter: FormatterFunction;

  constructor(levelName: LevelName, options?: BaseHandlerOptions) {
    this.#level = getLevelByName(levelName);
    this.formatter = options?.formatter ?? ((record) => `${record.levelName} ${record.msg}`);
  }

  /** Records below this level are not written. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    getLevelName(level);
    this.#level = level;
  }

  /** The same, by name. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  /** Writes a record, unless it is below the handler's level. */
  handle(logRecord: LogRecord): void {
    if (logRecord.level < this.#level) return;
    this.log(this.format(logRecord));
  }

  /** The text of a record. */
  format(logRecord: LogRecord): string {
    return this.formatter(logRecord);
  }

  /** Writes the text of a record. */
  abstract log(msg: string): void;

  /** Called before the first record. */
  setup(): void {}

  /** Called after the last record. */
  destroy(): void {}

  [Symbol.dispose](): void {
    this.destroy();
  }
}
