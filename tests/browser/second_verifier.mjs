// Verifies answers of passkeys by a program that knows nothing of Usher: one case a line on standard input, as JSON;
// "true" or "false" for each on standard output.
import { createInterface } from 'node:readline';
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';

const bytes = text => Uint8Array.from(Buffer.from(text, 'base64url'));

async function isAccepted({ response, challenge, origin, rpId, verification, credential }) {
    const expected = {
        response,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: rpId,
        requireUserVerification: verification,
    };
    try {
        const verdict = credential
            ? await verifyAuthenticationResponse({
                  ...expected,
                  credential: {
                      id: credential.id,
                      publicKey: bytes(credential.publicKey),
                      counter: credential.counter,
                  },
              })
            : await verifyRegistrationResponse({ ...expected, supportedAlgorithmIDs: [-7, -8, -257] });
        return verdict.verified;
    } catch {
        return false;
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    console.log(await isAccepted(JSON.parse(line)));
}
