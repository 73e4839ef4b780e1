/**
 * `/openapi.json`, `/docs` and `/`.
 *
 * @module
 */

import { z } from "zod";
import type { AdminDeps } from "../context.ts";
import { type AdminApp, operation } from "../operation.ts";

/** Nothing but the page's own files, and requests to this API. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

const TAG = "Documentation";

/** Paths of the page's own. */
export const DOCS_PATHS: readonly string[] = ["/docs", "/docs/docs.js", "/docs/docs.css"];

/** Puts the routes on. */
export function docsRoutes(app: AdminApp, deps: AdminDeps, document: () => unknown): void {
  const file = (path: string, summary: string, type: string, text: string) =>
    operation(app, {
      method: "get",
      path,
      summary,
      tag: TAG,
      reach: "public",
      answers: { 200: { description: "The file.", content: { [type]: z.string() } } },
    }, (context) =>
      context.body(text, 200, { "Content-Type": `${type}; charset=utf-8`, "Content-Security-Policy": POLICY }));

  file("/docs", "A page to read this document and to try it", "text/html", deps.docs.html);
  file("/docs/docs.js", "The page's script", "text/javascript", deps.docs.script);
  file("/docs/docs.css", "The page's style", "text/css", deps.docs.style);

  operation(app, {
    method: "get",
    path: "/openapi.json",
    summary: "This document (OpenAPI 3.1)",
    tag: TAG,
    reach: "scoped",
    answers: { 200: { description: "The document.", content: { "application/json": z.looseObject({}) } } },
  }, (context) => context.json(document()));

  operation(app, {
    method: "get",
    path: "/",
    summary: "Leads to the documentation",
    tag: TAG,
    reach: "public",
    answers: { 302: { description: "To /docs.", headers: ["Location"] } },
  }, (context) => context.redirect("/docs"));
}
