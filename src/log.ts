/**
 * The program's log: what happens to Sluice itself, on standard error. (What happens to sessions is the access log.)
 * The only file that imports `@std/log`. Made once by a command and handed on.
 *
 * @module
 */
import { BaseHandler, Logger, type LogLevel, LogLevels, type LogRecord } from "@std/log";

/** Levels, as the configuration names them. */
export type Level = "debug" | "info" | "warn" | "error";

/** Forms of a line, as the configuration names them. */
export type LogFormat = "text" | "json";

/** A value of a field. `undefined` leaves the field out; an error is written as its message and those of its causes. */
export type LogValue = string | number | boolean | null | undefined | Error;

/** What a message is about, by name: `tenant`, `listener`, `address`, `error`. */
export type LogFields = Readonly<Record<string, LogValue>>;

/** Where the rest of the program writes. Messages are constant phrases; what varies goes into fields. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A log whose level and format may change while it runs, as a reload does. */
export interface ConfigurableLog extends Log {
  configure(options: { readonly level: Level; readonly format: LogFormat }): void;
}

/** How a log is made. */
export interface LogOptions {
  readonly level: Level;
  readonly format: LogFormat;
  /** Takes a whole line with its end. The default writes to standard error. */
  readonly write?: (line: string) => void;
}

const NUMBERS: Record<Level, LogLevel> = {
  debug: LogLevels.DEBUG,
  info: LogLevels.INFO,
  warn: LogLevels.WARN,
  error: LogLevels.ERROR,
};

const FORMATTERS: Record<LogFormat, (record: LogRecord) => string> = { text: formatText, json: formatJson };

class LineHandler extends BaseHandler {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    super("NOTSET");
    this.#write = write;
  }

  override log(line: string): void {
    this.#write(`${line}\n`);
  }
}

/** Makes a log. */
export function createLog(options: LogOptions): ConfigurableLog {
  const handler = new LineHandler(options.write ?? writeToStderr);
  const logger = new Logger("sluice", "INFO", { handlers: [handler] });
  const configure: ConfigurableLog["configure"] = ({ level, format }) => {
    logger.level = NUMBERS[level];
    handler.formatter = FORMATTERS[format];
  };
  configure(options);
  return {
    configure,
    debug: (message, fields = {}) => void logger.debug(message, fields),
    info: (message, fields = {}) => void logger.info(message, fields),
    warn: (message, fields = {}) => void logger.warn(message, fields),
    error: (message, fields = {}) => void logger.error(message, fields),
  };
}

function writeToStderr(line: string): void {
  let bytes = new TextEncoder().encode(line);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch (error) {
    // Whoever read standard error is gone; the proxy goes on without a log.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** `2026-01-31T12:00:00.000Z INFO  message key=value …` */
function formatText(record: LogRecord): string {
  const fields = fieldsOf(record).map(([key, value]) => ` ${key}=${textOf(value)}`);
  return `${record.datetime.toISOString()} ${record.levelName.padEnd(5)} ${escapeControls(record.msg)}${
    fields.join("")
  }`;
}

/** One JSON object: `ts`, `level`, `msg`, then the fields; a field of such a name gets `field_` in front. */
function formatJson(record: LogRecord): string {
  const object: Record<string, LogValue> = {
    ts: record.datetime.toISOString(),
    level: record.levelName.toLowerCase(),
    msg: record.msg,
  };
  for (const [key, value] of fieldsOf(record)) {
    object[Object.hasOwn(object, key) ? `field_${key}` : key] = value instanceof Error ? messagesOf(value) : value;
  }
  return escapeControls(JSON.stringify(object));
}

function fieldsOf(record: LogRecord): [string, LogValue][] {
  const [fields] = record.args;
  if (typeof fields !== "object" || fields === null) return [];
  return Object.entries(fields as LogFields).filter(([, value]) => value !== undefined);
}

/** A value in a line of `key=value`: in quotes when it holds anything but plain characters. */
function textOf(value: LogValue): string {
  const text = value instanceof Error ? messagesOf(value) : String(value);
  return /^[\w.:/@%+,[\]*-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** The message of an error and those of its causes. */
function messagesOf(error: Error): string {
  const messages = [error.message];
  // A cause may name itself; nobody nests ten deep otherwise.
  for (let cause = error.cause; cause instanceof Error && messages.length < 10; cause = cause.cause) {
    messages.push(cause.message);
  }
  return messages.join(": ");
}

/**
 * Text whose control characters are written as escapes: a peer or a file must not be able to end a line, move a
 * terminal's cursor or turn the direction of what follows.
 */
export function escapeControls(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
