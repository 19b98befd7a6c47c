// The TypeScript SDK as its users use it: `node sdk.mjs PACKAGES plain|stream|tool MODEL PROMPT`.
// With ANTHROPIC_UNIX_SOCKET it goes over a Unix socket, by way of undici.
import { createRequire } from 'node:module';

const [packages, mode, model, prompt] = process.argv.slice(2);
const load = createRequire(`${packages}/package.json`);
const Anthropic = load('@anthropic-ai/sdk');

const TOOL = {
  name: 'route_ticket',
  description: 'Hand a ticket to a team.',
  input_schema: {
    type: 'object',
    properties: { team: { type: 'string', enum: ['network', 'storage'] } },
    required: ['team'],
    additionalProperties: false,
  },
};

function client() {
  const socketPath = process.env.ANTHROPIC_UNIX_SOCKET;
  if (!socketPath) return new Anthropic();
  const { Agent } = load('undici');
  return new Anthropic({ fetchOptions: { dispatcher: new Agent({ connect: { socketPath } }) } });
}

async function main() {
  const asked = { model, max_tokens: 300, messages: [{ role: 'user', content: prompt }] };
  if (mode === 'stream') {
    let text = '';
    const stream = client().messages.stream(asked).on('text', (delta) => (text += delta));
    const message = await stream.finalMessage();
    if (message.stop_reason !== 'end_turn') throw new Error(`stop_reason ${message.stop_reason}`);
    return { text };
  }
  if (mode === 'tool') {
    const forced = { type: 'tool', name: TOOL.name };
    const message = await client().messages.create({ ...asked, tools: [TOOL], tool_choice: forced });
    const call = message.content.find((block) => block.type === 'tool_use');
    return { tool: { name: call.name, input: call.input } };
  }
  const message = await client().messages.create(asked);
  return { text: message.content.filter((b) => b.type === 'text').map((b) => b.text).join('') };
}

main().then(
  (heard) => console.log(JSON.stringify(heard)),
  (error) => console.log(JSON.stringify({ error: String(error), status: error.status ?? null })),
);
