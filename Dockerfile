# docker build -t clonecratesio:2 .
# docker run -d -v crates:/mirror -p 127.0.0.1:9090:9090 clonecratesio:2
#
# A bind mount in the place of the volume must belong to user 65532.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/clonecratesio ./cmd/clonecratesio \
	&& mkdir /out/mirror /out/tmp

# docker build --target static -t clonecratesio:static .
# docker run -d -p 8080:8080 -v crates:/mirror clonecratesio:static
#
# The program alone, to serve and verify what another container writes: no git, no shell.
FROM scratch AS static
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/clonecratesio /usr/local/bin/clonecratesio
COPY --from=build --chown=65532:65532 /out/mirror /mirror
COPY --from=build --chown=65532:65532 --chmod=1777 /out/tmp /tmp
USER 65532:65532
ENV HOME=/mirror PATH=/usr/local/bin
VOLUME /mirror
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5m --timeout=1m --start-period=24h CMD ["clonecratesio", "status", "-mirror", "/mirror", "-check"]
ENTRYPOINT ["clonecratesio"]
CMD ["serve", "-mirror", "/mirror", "-listen", ":8080"]

# The program is one static file; it runs git to follow the index.
FROM debian:bookworm-slim
RUN apt-get update \
	&& apt-get install -y --no-install-recommends ca-certificates git \
	&& rm -rf /var/lib/apt/lists/* \
	&& groupadd --gid 65532 mirror \
	&& useradd --uid 65532 --gid mirror --home-dir /mirror --no-create-home --shell /usr/sbin/nologin mirror \
	&& install -d -o mirror -g mirror /mirror
COPY --from=build /out/clonecratesio /usr/local/bin/clonecratesio
USER mirror
ENV HOME=/mirror
VOLUME /mirror
EXPOSE 9090
# SIGTERM ends a round in order: give it time with --stop-timeout.
STOPSIGNAL SIGTERM
# Healthy once a round was complete, which the first is after hours. A server says so
# itself, at /readyz: contrib/compose.yaml.
HEALTHCHECK --interval=5m --timeout=1m --start-period=24h CMD ["clonecratesio", "status", "-mirror", "/mirror", "-check"]
ENTRYPOINT ["clonecratesio"]
CMD ["sync", "-mirror", "/mirror", "-every", "10m"]
