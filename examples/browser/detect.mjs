// Events of a recording by a detector that 'effbench export' wrote, with waveform input.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

const element = (id) => document.getElementById(id);
let detector = null;

element("model").onchange = () => attempt(async () => {
  say("Reading the model …");
  const bytes = new Uint8Array(await element("model").files[0].arrayBuffer());
  const about = metadata(bytes);
  if (!about.input) throw new Error("this ONNX file does not say what it takes: effbench has not written it");
  if (about.input !== "waveform") throw new Error("this file takes features: export it with waveform input");
  detector = {
    session: await ort.InferenceSession.create(bytes),
    classes: JSON.parse(about.classes),
    sampleRate: Number(about.sample_rate),
    framesPerSecond: Number(about.frames_per_second),
  };
  say(`${about.model}: ${detector.classes.length} classes.`);
  if (element("audio").files.length) await detect();
});
element("audio").onchange = () => attempt(detect);
element("threshold").onchange = () => attempt(detect);

async function detect() {
  if (!detector || !element("audio").files.length) return;
  say("Listening …");
  const samples = await mono(element("audio").files[0], detector.sampleRate);
  const start = performance.now();
  const input = new ort.Tensor("float32", samples, [1, samples.length]);
  const { strong } = await detector.session.run({ waveform: input });
  const took = (performance.now() - start) / 1000;
  const found = events(strong, Number(element("threshold").value));
  element("events").tBodies[0].replaceChildren(...found.map(row));
  say(`Events: ${found.length} in ${(samples.length / detector.sampleRate).toFixed(1)} s, found in ${took.toFixed(2)} s.`);
}

// One channel at the detector's sample rate: the context of that rate resamples what it decodes.
async function mono(file, sampleRate) {
  const audio = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(await file.arrayBuffer());
  const samples = new Float32Array(audio.length);
  for (let channel = 0; channel < audio.numberOfChannels; channel++)
    audio.getChannelData(channel).forEach((value, i) => { samples[i] += value / audio.numberOfChannels; });
  return samples;
}

// Runs of frames whose score is above the threshold, from logits of (1, classes, frames).
function events({ data, dims: [, classes, frames] }, threshold) {
  const found = [];
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < frames; i++) {
      let peak = 0;
      const onset = i;
      for (; i < frames && score(data[c * frames + i]) > threshold; i++)
        peak = Math.max(peak, score(data[c * frames + i]));
      if (i > onset) found.push({ onset, offset: i, label: detector.classes[c], peak });
    }
  }
  return found.sort((a, b) => a.onset - b.onset);
}

const score = (logit) => 1 / (1 + Math.exp(-logit));

function row({ onset, offset, label, peak }) {
  const tr = document.createElement("tr");
  const times = [onset, offset].map((frame) => (frame / detector.framesPerSecond).toFixed(2));
  for (const text of [...times, label, peak.toFixed(3)]) tr.insertCell().textContent = text;
  return tr;
}

// The file's metadata: field 14 of its protocol buffer, pairs of texts. Everything else is skipped.
function metadata(bytes) {
  const about = {};
  for (const [field, value] of fields(bytes)) {
    if (field !== 14) continue;
    const [name, text] = [...fields(value)].map(([, part]) => new TextDecoder().decode(part));
    about[name] = text;
  }
  return about;
}

function* fields(bytes) {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (place >= bytes.length) throw new Error("this is no ONNX file, or part of one");
      const byte = bytes[place++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (place < bytes.length) {
    const tag = number();
    if (tag % 8 === 0) number();
    else if (tag % 8 === 2) {
      const length = number();
      yield [Math.floor(tag / 8), bytes.subarray(place, (place += length))];
    } else throw new Error("this is no ONNX file, or part of one");
  }
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    say(`That failed: ${error.message}`);
  }
}

function say(text) {
  element("status").textContent = text;
}
