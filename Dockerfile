# The image holds the binary and CA certificates only: no shell, no package manager, one user of its
# own. docs/build.md says how to run it.
#
#   docker build -t claviger --build-arg VERSION="$(git describe --tags --always)" \
#     --build-arg COMMIT="$(git rev-parse HEAD)" .

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG COMMIT=
RUN make build OUT=/image/claviger VERSION="$VERSION" COMMIT="$COMMIT" && mkdir -m 0700 /image/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/claviger /usr/local/bin/claviger
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
# SQLite sorts in TMPDIR what does not fit into memory.
ENV PATH=/usr/local/bin TMPDIR=/data CLAVIGER_DATA=/data CLAVIGER_SERVER_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["claviger", "health"]
ENTRYPOINT ["claviger"]
CMD ["serve"]
