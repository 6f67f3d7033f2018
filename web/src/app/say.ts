import { useEffect, useState } from 'preact/hooks';

// One polite live region and one stack of short messages for the whole application.
export interface Message {
  id: number;
  text: string;
  bad: boolean;
}
let messages: Message[] = [];
let next = 1;
const watchers = new Set<(m: Message[]) => void>();

function set(list: Message[]): void {
  messages = list;
  for (const w of watchers) w(list);
}

export function say(text: string, bad = false): void {
  const message = { id: next++, text, bad };
  set([...messages.slice(-3), message]);
  setTimeout(() => dismiss(message.id), bad ? 12_000 : 4_000);
}

export const dismiss = (id: number): void => set(messages.filter((m) => m.id !== id));

export function useMessages(): Message[] {
  const [list, setList] = useState(messages);
  useEffect(() => {
    watchers.add(setList);
    return () => {
      watchers.delete(setList);
    };
  }, []);
  return list;
}
