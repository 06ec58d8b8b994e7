import http from 'node:http';
import https from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Get } from './list-watch.js';

/**
 * How the API server is asked: address, authorities, token or certificate are client-node's matter,
 * since there are many ways to log in, and tokens that change.
 *
 * @param kubeconfig null for the service account of the pod that this process is in
 * @throws Error where there is no such file, or no cluster in it
 */
export function apiServer(kubeconfig: string | null): Get {
  const config = new KubeConfig();
  if (kubeconfig === null) config.loadFromCluster();
  else config.loadFromFile(kubeconfig);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error('no cluster is chosen in it');
  const base = new URL(server);
  const client = base.protocol === 'http:' ? http : https;
  return async (path, signal) => {
    const options: https.RequestOptions = { headers: { accept: 'application/json' } };
    await config.applyToHTTPSOptions(options);
    const url = new URL(`${base.pathname.replace(/\/$/u, '')}${path}`, base);
    return new Promise((resolve, reject) => {
      const request = client.get(url, { ...options, signal }, (answer) => {
        resolve({ status: answer.statusCode ?? 0, body: answer });
      });
      request.on('error', (error) =>
        reject(signal.reason instanceof Error && signal.aborted ? signal.reason : error),
      );
    });
  };
}
