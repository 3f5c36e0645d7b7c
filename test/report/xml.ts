/** Throws unless `text` is well-formed XML as far as tags, attributes and entities go (DOCTYPE allowed). */
export function checkXml(text: string): void {
  const open: string[] = [];
  let at = 0;
  const token = /<!DOCTYPE[^>]*>|<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g;
  for (const match of text.matchAll(token)) {
    checkText(text.slice(at, match.index), open.at(-1));
    at = match.index + match[0].length;
    const [, isEnd, name, attributes, isEmpty] = match;
    if (name === undefined) continue;
    const keys = Array.from(attributes.matchAll(/\s([\w:-]+)=/g), (m) => m[1]);
    if (new Set(keys).size !== keys.length) throw new Error(`<${name}> repeats an attribute: ${attributes}`);
    checkText(attributes, name);
    if (isEnd !== "" && open.pop() !== name) throw new Error(`</${name}> closes nothing that is open`);
    if (isEnd === "" && isEmpty === "") open.push(name);
  }
  checkText(text.slice(at), undefined);
  if (open.length > 0) throw new Error(`<${open.join(">, <")}> not closed`);
}

function checkText(text: string, parent: string | undefined): void {
  if (parent === "style") return;
  if (text.includes("<")) throw new Error(`stray < in ${JSON.stringify(text.slice(0, 80))}`);
  if (/&(?!amp;|lt;|gt;|quot;|apos;|nbsp;|#\d+;)/.test(text))
    throw new Error(`stray & in ${JSON.stringify(text.slice(0, 80))}`);
}
