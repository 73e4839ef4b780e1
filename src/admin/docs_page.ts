/**
 * The page at `/docs`: static files without data, which ask for a token and read `/openapi.json` with it.
 *
 * @module
 */

/** The page's files. */
export interface DocsPage {
  readonly html: string;
  readonly script: string;
  readonly style: string;
}

/** Reads the page from beside this file. */
export async function loadDocsPage(): Promise<DocsPage> {
  const read = (name: string) => Deno.readTextFile(new URL(`./docs/${name}`, import.meta.url));
  const [html, script, style] = await Promise.all([read("index.html"), read("docs.js"), read("docs.css")]);
  return { html, script, style };
}
