/** Where names are looked for. */
export interface NameChoice {
  /** A file with names. */
  readonly file: string | null;
  /** Sockets of container runtimes to ask; null for the usual ones, of which none need be there. */
  readonly cri: readonly string[] | null;
  /** The same of Docker and Podman. */
  readonly docker: readonly string[] | null;
  /** `auto`, `off`, or a kubeconfig file. */
  readonly kubernetes: string;
  /** This node's name in the cluster. */
  readonly node: string;
}
