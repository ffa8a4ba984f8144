// Questions to the server that opened the model.

export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body ? { method: "POST", body } : {});
  } catch {
    throw new Error("The server does not answer; is kcnn explore still running?");
  }
  const value = await answer.json();
  if (value.error?.message) throw new Error(value.error.message);
  return value;
}

// A function that asks with the newest settings: called while an answer is awaited, it asks once more afterwards.
export function latest(act) {
  let busy = false;
  let again = false;
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        await act();
      }
    } finally {
      busy = false;
    }
  };
}
