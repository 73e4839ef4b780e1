/**
 * Stands in for `jsr:@std/log` where only npm is reached, which does not carry it: the part of its published API that
 * Sluice uses (loggers, handlers, levels), written for this project.
 *
 * @module
 */
export * from "./base_handler.ts";
export * from "./levels.ts";
export * from "./logger.ts";
